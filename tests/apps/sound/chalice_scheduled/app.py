from chalice import Chalice, Rate

app = Chalice(app_name='shop')


@app.schedule(Rate(1, unit=Rate.HOURS))
def clean(event):
    return event.detail_type

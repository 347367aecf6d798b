def handler(event, context):
    import decimal
    from chalicelib.heavy import work

    return str(work(decimal.Decimal(2)))

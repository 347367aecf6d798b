"""A Chalice app behind API Gateway, and its scheduled function behind EventBridge."""

from pathlib import Path

from aws_cdk import App, CfnOutput, Duration, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct
from host import ARCHITECTURE, RUNTIME

from cdk_lambda_package import PythonFunction

ENTRY = Path(__file__).parent / "app"

# The app's routes. Chalice finds its view by the path of the API's resource, so `/invoices/{number}` must be one: the
# catch-all `{proxy+}`, which LambdaRestApi makes by default, is none of the app's routes and answers 405.
ROUTES = {
    "/": ["GET"],
    "/invoices": ["POST"],
    "/invoices/{number}": ["GET", "DELETE"],
    "/rates": ["GET"],
    "/rates/{country}": ["GET"],
}


class ChaliceApiStack(Stack):
    """The API, its function, and the scheduled one. Both functions are the same deployment package."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        # The handler needn't be named: it is what app.py binds to Chalice(...).
        web = PythonFunction(self, "Web", entry=ENTRY, runtime=RUNTIME, architecture=ARCHITECTURE)
        api = apigateway.LambdaRestApi(self, "Api", handler=web, proxy=False, cloud_watch_role=False)
        for path, methods in ROUTES.items():
            resource = api.root.resource_for_path(path)
            for method in methods:
                resource.add_method(method)
        # What the app's CORSConfig says, once more: API Gateway answers the preflight itself, without the function.
        api.root.resource_for_path("/invoices").add_cors_preflight(
            allow_origins=["https://shop.example"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "X-Amz-Date",
                "X-Amz-Security-Token",
                "X-Api-Key",
                "X-Shop",
            ],
            allow_methods=["POST", "OPTIONS"],
            max_age=Duration.minutes(10),
            status_code=200,
        )
        review = PythonFunction(
            self, "ReviewRates", entry=ENTRY, runtime=RUNTIME, architecture=ARCHITECTURE, handler="review_rates"
        )
        daily = events.Schedule.rate(Duration.days(1))
        events.Rule(self, "Daily", schedule=daily, targets=[targets.LambdaFunction(review)])
        CfnOutput(self, "Url", value=api.url)


if __name__ == "__main__":
    app = App()
    ChaliceApiStack(app, "ChaliceApiExample")
    app.synth()

"""Package Python for AWS Lambda from a CDK app: no Docker, any host, right for the Lambda target."""

"""The CDK face: the constructs, and what is only theirs. Nothing else imports `aws_cdk`."""

"""The constructs for AWS CDK. Only this folder imports `aws_cdk`, and no other folder imports this one."""

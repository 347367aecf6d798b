"""The examples in one CDK app, as a local stand-in for AWS takes them, to be deployed by one call of the CDK CLI.

The document's example isn't among them: it is what `cdk deploy` at the root of the repository deploys.
"""

from aws_cdk import App, DefaultStackSynthesizer
from aws_cdk import aws_apigateway as apigateway
from chalice_api.stack import ChaliceApiStack
from data.stack import DataStack
from monorepo.stack import MonorepoStack
from psycopg2_vendor.stack import Psycopg2VendorStack

# Without the rule that looks at the version of the bootstrap stack: moto can't evaluate it when a stack is updated.
app = App(default_stack_synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False))
ChaliceApiStack(app, "ChaliceApiExample")
Psycopg2VendorStack(app, "Psycopg2VendorExample")
DataStack(app, "DataExample")
MonorepoStack(app, "MonorepoExample")

# Where API Gateway answers by itself, CDK says nothing about what to call, and AWS wants nothing; moto does.
for construct in app.node.find_all():
    if isinstance(construct, apigateway.CfnMethod) and construct.http_method == "OPTIONS":
        construct.add_property_override("Integration.IntegrationHttpMethod", "OPTIONS")
        construct.add_property_override("Integration.Uri", "")

app.synth()

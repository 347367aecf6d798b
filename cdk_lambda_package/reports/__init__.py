"""Reports about packages, for people and programs."""

from cdk_lambda_package.reports.listing import Row, format_rows, read_rows, rows_of, write_manifest, write_sbom
from cdk_lambda_package.reports.report import Report, describe_as_sarif, describe_report, format_report, make_report

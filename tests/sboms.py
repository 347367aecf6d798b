"""Software bills of materials, read by the rules of CycloneDX."""

import json

from cyclonedx.model.bom import Bom
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def read(made):
    """Return the SBOM of a package, once it is valid and comes back from the library as it was."""
    return check(made.sbom)


def check(sbom):
    """Return an SBOM, once it is valid, its references are unique, and it comes back from the library as it was."""
    text = json.dumps(sbom)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    again = json.loads(JsonV1Dot6(Bom.from_json(json.loads(text))).output_as_string())
    del again["metadata"]["timestamp"]
    assert again == sbom
    every = [sbom["metadata"]["component"], *all_components(sbom)]
    refs = [component["bom-ref"] for component in every]
    assert len(refs) == len(set(refs))
    for row in sbom["dependencies"]:
        assert {row["ref"], *row.get("dependsOn", ())} <= set(refs)
    return sbom


def components(sbom):
    """Return the components of an SBOM, or of a component, by name."""
    return {component["name"]: component for component in sbom.get("components", ())}


def all_components(sbom):
    """Return the components, and those in them."""
    found = []
    for component in sbom.get("components", ()):
        found += [component, *all_components(component)]
    return found


def needs(sbom):
    """Return by reference what each component depends on."""
    return {row["ref"]: row.get("dependsOn", []) for row in sbom["dependencies"]}


def reached(sbom, start="app"):
    """Return the references of all that a component depends on in the end."""
    graph, found, waiting = needs(sbom), {start}, [start]
    while waiting:
        new = set(graph.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return found


def properties(component):
    return {row["name"].removeprefix("cdk-lambda-package:"): row["value"] for row in component["properties"]}

"""SBOMs that wheels carry (PEP 770): merged into ours, as far as they can be read, and never an error."""

import json

import pytest
from entries import HANDLER, write_files
from jsonschema import Draft202012Validator
from offline import ROOT
from sboms import all_components, components, needs, reached, read

SCHEMA = json.loads((ROOT / "docs/reference/manifest.schema.json").read_text(encoding="utf-8"))
FOLDER = "tool-1.0.dist-info/sboms"
HASH = "ab" * 32


@pytest.fixture
def project(project):
    write_files(project.entry, {"app.py": HANDLER})
    return project


def package(project, store, files, **options):
    """Return a package that has a distribution with these SBOMs, by name."""
    texts = {name: content if isinstance(content, str) else json.dumps(content) for name, content in files.items()}
    project.build("tool", files={"tool.py": "", **{f"{FOLDER}/{name}": text for name, text in texts.items()}})
    project.write("tool")
    made = project.package(store, **options)
    Draft202012Validator(SCHEMA).validate(made.manifest)
    return made


def tool(project, store, files, **options):
    """Return the component of that distribution."""
    return components(read(package(project, store, files, **options)))["tool"]


def cyclonedx(*parts, primary=None, dependencies=None, version="1.5"):
    needed = [{"ref": ref, "dependsOn": list(others)} for ref, others in (dependencies or {}).items()]
    about = {"metadata": {"component": primary}} if primary else {}
    return {"bomFormat": "CycloneDX", "specVersion": version, "components": parts, "dependencies": needed, **about}


def part(name, **facts):
    return {"type": "library", "name": name, "version": "1.2", "bom-ref": name, **facts}


def mentions(component):
    """Return by path what is said of the files that were found."""
    return {one["url"]: one["comment"] for one in component["externalReferences"] if one["type"] == "bom"}


def test_the_parts_of_a_wheel_are_nested_in_its_component_with_what_is_known_of_them(project, store):
    facts = {
        "purl": "pkg:cargo/libc@0.2.177",
        "hashes": [{"alg": "SHA-256", "content": HASH}],
        "licenses": [{"expression": "MIT OR Apache-2.0"}],
        "externalReferences": [{"type": "vcs", "url": "https://example.com/libc"}],
        "scope": "required",
        "description": "Bindings",
        "cpe": "cpe:2.3:a:example:libc:0.2.177:*:*:*:*:*:*:*",
    }
    found = tool(project, store, {"rust.cyclonedx.json": cyclonedx(part("libc", **facts))})
    (nested,) = found["components"]
    assert {name: nested[name] for name in facts} == facts
    assert (nested["name"], nested["version"], nested["type"]) == ("libc", "1.2", "library")


def test_the_file_is_named_with_its_digest(project, store):
    made = package(project, store, {"x y.cdx.json": cyclonedx(part("a"))})
    (row,) = made.manifest["distributions"]
    (listed,) = row["sboms"]
    assert listed["path"] == f"{FOLDER}/x y.cdx.json"
    found = components(read(made))["tool"]
    assert mentions(found) == {
        f"{FOLDER}/x%20y.cdx.json": "carried by the distribution, merged into this component",
    }
    (reference,) = found["externalReferences"]
    assert reference["hashes"] == [{"alg": "SHA-256", "content": listed["sha256"]}]


def test_a_file_about_the_distribution_itself_says_what_that_depends_on(project, store):
    # As auditwheel writes it: the distribution is listed twice, and one package has two files.
    own = part("Tool", purl="pkg:pypi/tool@1.0?file_name=tool-1.0-py3-none-any.whl")
    one, other = (part("krb5", purl="pkg:rpm/centos/krb5@1.15", **{"bom-ref": f"krb5#{number}"}) for number in (1, 2))
    document = cyclonedx(own, one, other, primary=own, dependencies={"Tool": ["krb5#1", "krb5#2"], "krb5#1": []})
    sbom = read(package(project, store, {"auditwheel.cdx.json": document}))
    found = components(sbom)["tool"]
    refs = [nested["bom-ref"] for nested in found["components"]]
    assert [nested["name"] for nested in found["components"]] == ["krb5", "krb5"]
    assert needs(sbom)[found["bom-ref"]] == sorted(refs)


def test_a_file_about_something_in_the_distribution_keeps_its_graph(project, store):
    # As maturin writes it: the crate isn't the distribution, and has a part itself.
    crate = part("tool", purl="pkg:cargo/tool@1.0", **{"bom-ref": "path+file:///build#tool"})
    crate["components"] = [part("lib", **{"bom-ref": "lib"})]
    document = cyclonedx(
        part("deep"),
        part("used"),
        part("lonely"),
        primary=crate,
        dependencies={crate["bom-ref"]: ["used"], "used": ["deep"]},
    )
    sbom = read(package(project, store, {"tool.cyclonedx.json": document}))
    found = components(sbom)["tool"]
    prefix = f"{found['bom-ref']}/sboms/tool.cyclonedx.json#"
    named = {name: f"{prefix}{name}" for name in ("deep", "used", "lonely", "lib")}
    nested = components(found)
    assert sorted(nested) == ["deep", "lonely", "tool", "used"]
    assert nested["tool"]["bom-ref"] == f"{prefix}path+file:///build#tool"
    assert components(nested["tool"])["lib"]["bom-ref"] == named["lib"]
    graph = needs(sbom)
    # What nothing in the file leads to is reached from the distribution.
    assert graph[found["bom-ref"]] == sorted([nested["tool"]["bom-ref"], named["lonely"]])
    assert graph[nested["tool"]["bom-ref"]] == [named["used"]]
    assert graph[named["used"]] == [named["deep"]]


def test_parts_in_a_circle_are_reached(project, store):
    document = cyclonedx(part("a"), part("b"), dependencies={"a": ["b"], "b": ["a"]})
    sbom = read(package(project, store, {"x.json": document}))
    assert {one["bom-ref"] for one in all_components(sbom)} <= reached(sbom)


def test_references_never_collide(project, store):
    nameless = part("a")
    del nameless["bom-ref"]
    files = {
        "a.json": cyclonedx(part("a"), part("a", version="2"), nameless),
        "b.json": cyclonedx(part("a")),
        "a.json#a": cyclonedx(part("x", **{"bom-ref": ""}), part("y", **{"bom-ref": "app"})),
        "a.json:0": cyclonedx(nameless),
    }
    # `read` sees that they are unique.
    assert len(tool(project, store, files)["components"]) == 7


def test_spdx_is_merged_too(project, store):
    document = {
        "spdxVersion": "SPDX-2.3",
        "SPDXID": "SPDXRef-DOCUMENT",
        "packages": [
            {"SPDXID": "SPDXRef-tool", "name": "tool", "versionInfo": "1.0", "downloadLocation": "NOASSERTION"},
            {
                "SPDXID": "SPDXRef-zlib",
                "name": "zlib",
                "versionInfo": "1.3",
                "primaryPackagePurpose": "LIBRARY",
                "downloadLocation": "https://example.com/zlib.tar.gz",
                "licenseConcluded": "NOASSERTION",
                "licenseDeclared": "Zlib",
                "checksums": [{"algorithm": "SHA256", "checksumValue": HASH}],
                "externalRefs": [
                    {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:generic/zlib@1.3"}
                ],
            },
            {"SPDXID": "SPDXRef-bz", "name": "bz", "downloadLocation": "NONE", "licenseDeclared": "MIT AND (0BSD OR ISC)"},
        ],
        "relationships": [
            {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-tool"},
            {"spdxElementId": "SPDXRef-tool", "relationshipType": "DEPENDS_ON", "relatedSpdxElement": "SPDXRef-zlib"},
            {"spdxElementId": "SPDXRef-bz", "relationshipType": "DEPENDENCY_OF", "relatedSpdxElement": "SPDXRef-zlib"},
        ],
    }  # fmt: skip
    sbom = read(package(project, store, {"sbom.spdx.json": document}))
    found = components(sbom)["tool"]
    nested = components(found)
    assert sorted(nested) == ["bz", "zlib"]
    zlib = nested["zlib"]
    assert (zlib["version"], zlib["purl"]) == ("1.3", "pkg:generic/zlib@1.3")
    assert zlib["hashes"] == [{"alg": "SHA-256", "content": HASH}]
    assert zlib["licenses"] == [{"license": {"id": "Zlib"}}]
    assert zlib["externalReferences"] == [{"type": "distribution", "url": "https://example.com/zlib.tar.gz"}]
    assert nested["bz"]["licenses"] == [{"expression": "MIT AND (0BSD OR ISC)"}]
    assert needs(sbom)[found["bom-ref"]] == [zlib["bom-ref"]]
    assert needs(sbom)[zlib["bom-ref"]] == [nested["bz"]["bom-ref"]]


DEEP = {"type": "library", "name": "x"}
for _ in range(30):
    DEEP = {"type": "library", "name": "x", "components": [DEEP]}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("<bom/>", "it isn't JSON"),
        ("", "it isn't JSON"),
        ('{"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [{"type": "library", "name": "\\ud800"}]}', None),
        ('{"bomFormat": "CycloneDX", "x": ' + "[" * 100_000, "it isn't JSON"),
        ("[]", "it is neither CycloneDX 1 nor SPDX 2"),
        ({"bomFormat": "CycloneDX", "specVersion": "2.0"}, "it is neither CycloneDX 1 nor SPDX 2"),
        ({"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": []}, "it is neither CycloneDX 1 nor SPDX 2"),
        (cyclonedx({"type": "library"}), "it isn't as its format demands"),
        (cyclonedx({"type": "library", "name": "x", "version": 1}), "it isn't as its format demands"),
        (cyclonedx(DEEP), "it isn't as its format demands"),
        ({"spdxVersion": "SPDX-2.3", "packages": [{"name": "x"}]}, "it isn't as its format demands"),
        (" " * (1 << 24) + "{}", "it is larger than 16,777,216 bytes"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_named_with_the_reason(project, store, content, problem):
    found = tool(project, store, {"a": content, "b.cdx.json": cyclonedx(part("known"))})
    said = mentions(found)[f"{FOLDER}/a"]
    assert said.startswith("carried by the distribution, not merged: it ")
    if problem is not None:
        assert said.endswith(f": {problem}")
    # The others are read all the same.
    assert list(components(found)) == ["known"]


def test_values_that_cyclonedx_does_not_know_make_no_invalid_sbom(project, store):
    document = cyclonedx(
        part(
            "odd",
            type="spaceship",
            scope="sometimes",
            purl="not a purl",
            version="1" * 2000,
            hashes=[{"alg": "CRC32", "content": "00"}, {"alg": "SHA-256", "content": "xyz"}, {"alg": "MD5", "content": "A" * 32}],
            licenses=[{"license": {"id": "mit"}}, {"license": {"name": "Ours", "url": "no url"}}, {"expression": "MIT OR 0BSD"}, {}],
            externalReferences=[
                {"type": "citation", "url": "https://example.com/a b"},
                {"type": "vcs", "url": "git@example.com:x/y.git"},
                {"type": "hologram", "url": "https://example.com/x?y=[1]"},
                {"type": "hologram", "url": "https://user@example.com:8080/x%20y?a=b#c"},
                {"type": "vcs", "url": "https://example.com:port/x"},
                {"type": "vcs", "url": "https://example.com/100%"},
            ],
        ),
        version="1.7",
    )  # fmt: skip
    (nested,) = tool(project, store, {"x.cdx.json": document})["components"]
    assert (nested["type"], "scope" in nested, "purl" in nested, "version" in nested) == (
        "library",
        False,
        False,
        False,
    )
    assert nested["hashes"] == [{"alg": "MD5", "content": "A" * 32}]
    assert [one["license"] for one in nested["licenses"]] == [{"id": "MIT"}, {"name": "MIT OR 0BSD"}, {"name": "Ours"}]
    assert nested["externalReferences"] == [{"type": "other", "url": "https://user@example.com:8080/x%20y?a=b#c"}]


def test_it_is_merged_also_if_the_package_leaves_the_file_out(project, store):
    files = {"x.cdx.json": cyclonedx(part("a"))}
    made = package(project, store, files, exclude_from_requirements=["**/sboms/**"])
    assert not [row["path"] for row in made.manifest["files"] if "sboms" in row["path"]]
    assert list(components(components(read(made))["tool"])) == ["a"]


def test_a_distribution_in_a_folder_of_vendor_carries_some_too(project, store):
    metadata = "Metadata-Version: 2.4\nName: Kept\nVersion: 1.5\n\n"
    text = json.dumps(cyclonedx(part("a")))
    write_files(
        project.entry / "vendor",
        {
            "kept.py": "",
            "kept-1.5.dist-info/METADATA": metadata,
            "kept-1.5.dist-info/sboms/x.cdx.json": text,
            "other.dist-info/sboms/y.cdx.json": text,
        },
    )
    project.build("tool")
    project.write("tool")
    for options in ({}, {"dependencies": "layer"}):
        made = project.package(store, **options)
        Draft202012Validator(SCHEMA).validate(made.manifest)
        found = components(read(made))["kept"]
        (nested,) = found["components"]
        assert nested["bom-ref"] == "vendor/kept/sboms/x.cdx.json#a"
        assert needs(made.sbom)[found["bom-ref"]] == [nested["bom-ref"]]


def test_a_file_that_a_command_removed_from_vendor_is_not_there(project, store):
    write_files(
        project.entry / "vendor",
        {
            "kept.py": "",
            "kept-1.5.dist-info/METADATA": "Metadata-Version: 2.4\nName: Kept\nVersion: 1.5\n\n",
            "kept-1.5.dist-info/sboms/x.cdx.json": json.dumps(cyclonedx(part("a"))),
        },
    )
    made = project.package(store, after_packaging=[["rm", "-r", "kept-1.5.dist-info/sboms"]])
    assert "components" not in components(read(made))["kept"]


def test_a_lost_segment_is_made_again(project, store):
    made = package(project, store, {"x.cdx.json": cyclonedx(part("a"))})
    for path in (store.root / "v1" / "segments").iterdir():
        path.unlink()
    assert list(components(components(read(made))["tool"])) == ["a"]


def test_it_is_made_once_and_is_the_same_from_a_store_that_knows_it(project, store):
    made = package(project, store, {"x.cdx.json": cyclonedx(part("a"))})
    first = made.sbom_json
    (kept,) = (store.root / "v1" / "sboms").iterdir()
    written = kept.stat().st_mtime_ns
    assert project.package(store).sbom_json == first
    assert kept.stat().st_mtime_ns == written
    # Another app with the same content has another name.
    assert json.loads(first)["metadata"]["component"]["name"] == "app"


@pytest.mark.network
@pytest.mark.parametrize(
    ("requirement", "file", "expected"),
    [
        # auditwheel names the packages of the system whose libraries it copied.
        ("psycopg2-binary==2.9.13", "auditwheel.cdx.json", ["krb5-libs", "libselinux", "pcre"]),
        # maturin names the crates.
        ("rpds-py==2026.9.1", "rpds-py.cyclonedx.json", ["archery", "libc", "pyo3", "rpds-py"]),
        # Two files; the second is CycloneDX 1.7.
        ("pillow==13.0.0", "pillow-13.0.0.cdx.json", ["PIL._imaging", "libXau", "raqm"]),
        # One file has neither references nor a primary component.
        ("cryptography==50.0.2", "sbom.json", ["openssl", "pyo3", "asn1"]),
    ],
)
def test_the_sboms_of_published_wheels_are_merged(project, store, requirement, file, expected):
    project.write(requirement, local=False)
    made = project.package(store)
    sbom = read(made)
    name = requirement.partition("==")[0]
    found = components(sbom)[name]
    assert all(text.endswith("merged into this component") for text in mentions(found).values())
    assert any(url.endswith(f"/sboms/{file}") for url in mentions(found))
    assert {*expected} <= components(found).keys()
    assert {one["bom-ref"] for one in found["components"]} <= reached(sbom)

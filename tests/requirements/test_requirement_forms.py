"""What each form of a requirement gives: the tables of the reference, and the tests that show their rows."""

import ast
import re
from pathlib import Path

from index_server import serve_index
from pip_projects import versions
from wheel_factory import build_wheel

TESTS = Path(__file__).parents[1]
REFERENCE = TESTS.parent / "docs" / "reference" / "requirements.md"

# A row of the reference's tables, by how its first cell begins, and the tests that show it.
SHOWN_BY = {
    "`name`, `name==1.0`": [
        "test_resolve.test_the_newest_wheel_that_fits_is_taken_where_newer_sdists_exist",
        "test_builds.test_a_pure_sdist_is_built_and_its_dependencies_come_along",
        "test_builds.test_an_older_wheel_is_taken_rather_than_a_newer_sdist",
        "test_requirement_forms.test_forms_of_wheels_and_included_files",
    ],
    "`name; marker`": [
        "test_resolve.test_markers_are_those_of_the_target_for_requirements_and_their_dependencies",
        "test_resolve.test_a_marker_that_nobody_can_evaluate_is_an_error",
    ],
    "`name @ https://…/x.whl`, ": [
        "test_requirement_forms.test_forms_of_wheels_and_included_files",
        "test_resolve.test_a_wheel_by_url_that_the_target_cannot_load_is_refused",
        "test_fetch.test_a_wheel_by_url_is_downloaded_from_there",
    ],
    "`name @ https://…/x.tar.gz`": [
        "test_sources.test_sdist_files_and_a_subdirectory_of_one_are_built",
        "test_canary.test_a_token_is_used_in_every_step_and_found_nowhere",
    ],
    "`./pkg`": [
        "test_sources.test_paths_inside_and_outside_the_entry_directory_are_packaged_as_copies",
        "test_sources.test_a_path_above_the_entry_directory_is_taken_from_there",
        "test_sources.test_a_path_in_a_file_url_begins_at_the_entry_directory",
    ],
    "`-e ./pkg`": ["test_sources.test_paths_inside_and_outside_the_entry_directory_are_packaged_as_copies"],
    "a dependency of a local project": [
        "test_sources.test_the_name_of_a_local_project_is_never_asked_of_an_index",
        "test_sources.test_members_of_a_workspace_are_found_by_name_as_far_as_they_lead",
    ],
    "`name @ git+https://": [
        "test_sources.test_a_checkout_is_that_of_the_commit",
        "test_indexes.test_a_commit_comes_from_a_private_server_with_its_password",
    ],
    "`-r more.txt`": ["test_requirement_forms.test_forms_of_wheels_and_included_files"],
    "`${VARIABLE}`": [
        "test_resolve.test_a_byte_order_mark_crlf_continuations_and_variables_are_read_as_pip_reads_them"
    ],
    "`--hash=sha256:": [
        "test_builds.test_a_hash_is_that_of_the_sdist",
        "test_resolve.test_a_wrong_hash_says_expected_and_actual",
        "test_resolve.test_hashes_for_some_requirements_only_are_an_error",
        "test_resolution_cache.test_a_pinned_resolution_is_used_for_as_long_as_its_inputs_are_the_same",
    ],
    "`--no-binary name`": ["test_builds.test_no_binary_in_a_requirements_file_asks_for_a_build"],
    "`… --config-settings": ["test_sources.test_settings_behind_a_requirement_that_is_built_are_refused_not_dropped"],
    "`--pre`": ["test_requirement_forms.test_options_that_choose_among_releases_mean_what_they_do_for_pip"],
    "none": ["test_canary.test_a_token_is_used_in_every_step_and_found_nowhere"],
    "`--index-url`": [
        "test_canary.test_a_token_is_used_in_every_step_and_found_nowhere",
        "test_indexes.test_the_best_version_of_all_indexes_is_taken_as_pip_does_and_each_is_asked_once",
        "test_indexes.test_what_was_resolved_is_fetched_even_if_another_index_has_the_same_version_later",
    ],
    "`--find-links`": ["test_canary.test_a_token_is_used_in_every_step_and_found_nowhere"],
    "`--no-index`": ["test_indexes.test_without_an_index_it_is_said_that_none_is_asked"],
    "`--trusted-host`": [
        "test_indexes.test_a_certificate_of_ones_own_is_trusted_in_resolution_download_and_builds",
        "test_indexes.test_an_index_without_https_is_asked_only_if_it_is_trusted",
    ],
    "a user name and password": [
        "test_indexes.test_a_keyring_on_path_is_asked_without_a_setting_for_the_resolution_the_files_and_a_build",
        "test_canary.test_a_token_is_used_in_every_step_and_found_nowhere",
        "test_canary.test_no_failure_tells_the_token",
        "test_canary.test_a_synthesis_puts_no_token_into_cdk_out_nor_into_what_it_says",
        "test_indexes.test_a_keyring_on_path_is_asked_without_a_setting_for_the_resolution_the_files_and_a_build",
    ],
    "`GIT_SSH_COMMAND`": ["test_checkouts.test_git_connects_by_the_users_own_ssh_command"],
    "`https://…/${TOKEN}/simple`": ["test_canary.test_a_token_is_used_in_every_step_and_found_nowhere"],
    "`name @ https://…/x.whl?token": [
        "test_canary.test_a_token_is_used_in_every_step_and_found_nowhere",
        "test_fetch.test_what_is_secret_in_a_urls_requirement_is_put_back_for_the_download",
    ],
    "uv's `UV_INDEX`": [
        "test_lock_tools.test_a_password_that_only_the_tool_knows_is_used_for_the_files_and_kept_nowhere",
    ],
    "`pylock.toml`": [
        "test_committed_lock.test_a_pylock_in_the_entry_directory_is_used_without_any_process",
        "test_committed_lock.test_a_wrong_hash_in_a_lock_is_an_error",
    ],
    "`uv.lock`": ["test_lock_tools.test_a_tools_lock_is_used_as_it_is_without_dev_groups"],
    "a lock's sdist or archive": [
        "test_locked_sources.test_an_sdist_is_built_once_and_for_targets_with_a_wheel_not_at_all",
        "test_locked_sources.test_an_sdist_with_another_hash_is_refused_before_its_code_runs",
        "test_lock_tools.test_what_a_tools_lock_has_no_wheel_of_is_built",
    ],
    "a lock's directory or commit": [
        "test_locked_sources.test_a_directory_is_packaged_as_it_is_on_the_day",
        "test_locked_sources.test_a_commit_is_packaged_as_it_was",
    ],
}


def test_each_row_of_the_reference_is_shown_by_tests_that_there_are():
    rows = re.findall(
        r"^\| (?!(?:form|setting|lock) \||-)(.*?) \| ", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE
    )
    starts = {row: [start for start in SHOWN_BY if row.startswith(start)] for row in rows}
    # The longest that fits: one row may begin as another does.
    assert {max(found, key=len, default=f"nothing shows {row}") for row, found in starts.items()} == SHOWN_BY.keys()
    for test in (test for tests in SHOWN_BY.values() for test in tests):
        module, name = test.split(".")
        tree = ast.parse((next(TESTS.rglob(f"{module}.py"))).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, test


def test_forms_of_wheels_and_included_files(project):
    """By name with an extra, by path, by file and http URL; files that name others, each relative to itself."""
    project.build("extras", requires_dist=["more; extra == 'x'"], provides_extra=["x"])
    project.build("more", "1.0")
    project.build("more", "2.0")
    build_wheel(project.entry / "wheels", "by-path")
    by_url = build_wheel(project.root / "elsewhere", "by-url")
    build_wheel(project.root / "served", "by-http")
    project.write("-c ../limits/top.txt\n-r deep/two.txt", name="reqs/one.txt", local=False)
    project.write("deeper", name="reqs/deep/two.txt", local=False)
    project.write("more<2\n-c below.txt", name="limits/top.txt", local=False)
    project.write("deeper<2", name="limits/below.txt", local=False)
    project.build("deeper", "1.0")
    project.build("deeper", "2.0")
    with serve_index(project.root / "served") as index:
        http = index.url().replace("simple", "files/by_http-1.0-py3-none-any.whl")
        lines = ["-r reqs/one.txt", "extras[x]", "./wheels/by_path-1.0-py3-none-any.whl", f"by-url @ {by_url.as_uri()}"]
        found = project.resolve("\n".join([*lines, f"by-http @ {http}"]))
    names = ("extras", "more", "by-path", "by-url", "by-http", "deeper")
    assert versions(found) == dict.fromkeys(names, "1.0")


def test_options_that_choose_among_releases_mean_what_they_do_for_pip(project):
    project.build("tool", "1.0")
    project.build("tool", "2.0rc1")
    assert versions(project.resolve("tool")) == {"tool": "1.0"}
    assert versions(project.resolve("--pre\ntool")) == {"tool": "2.0rc1"}
    assert versions(project.resolve("--prefer-binary\n--only-binary tool\ntool")) == {"tool": "1.0"}

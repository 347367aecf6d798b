"""Requirements and resolutions, as values; and facts about requirements and locks that need no resolving."""

from cdk_lambda_package.requirements.history import find_history
from cdk_lambda_package.requirements.lock_file import (
    LOCK_APP,
    LOCK_FORMATS,
    NOT_LOCKED,
    PYLOCK,
    LockFile,
    check_requirements_name,
    find_lock_file,
    find_repository,
    lock_of,
    name_lock,
)
from cdk_lambda_package.requirements.parsing import parse_marker, parse_pylock, parse_requirement
from cdk_lambda_package.requirements.requirements_file import (
    Direct,
    check_included,
    decode_requirements,
    has_requirements,
    read_project,
    read_requirements,
)
from cdk_lambda_package.requirements.resolution import (
    TOOL,
    InputKind,
    LocalInput,
    LockedWheel,
    Resolution,
    ResolutionRequest,
    dump_pylock,
    exclude,
    place_of,
    reachable_names,
    read_times,
    relative_to_entry,
)
from cdk_lambda_package.requirements.resolution_cache import (
    DatedResolution,
    configuration_folders,
    constraint_digest,
    current_resolution,
    digest_project,
    identify,
    links_of,
    project_files,
    read_build_variables,
    recalled_resolution,
    relative_place,
    remember_resolution,
)
from cdk_lambda_package.requirements.sizes import (
    TOO_LARGE,
    Contribution,
    TooLargeError,
    contributions,
    describe_large_file,
    describe_share,
    find_chains,
    find_requirers,
    size_limit,
    spare,
    suggest_exclusion,
)
from cdk_lambda_package.requirements.supply_chain import (
    check_resolution,
    explain_file,
    explain_index,
    is_own_project,
    refuse_late,
    refuse_sources,
)
from cdk_lambda_package.requirements.supply_chain_values import (
    HOSTS,
    UPLOAD_LIMITS,
    UploadedPriorTo,
    UploadLimit,
    allowed_hosts,
    default_index,
    parse_upload_limit,
    read_hosts,
    read_upload_limit,
    stricter_limit,
    write_upload_limit,
)
from cdk_lambda_package.requirements.unlocked_project import find_unlocked_project

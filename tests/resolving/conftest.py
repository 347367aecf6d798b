"""What tests of resolving share."""

import pytest
from index_server import serve_index


@pytest.fixture
def index(project):
    """An index that serves the project's wheels."""
    with serve_index(project.wheels) as server:
        yield server

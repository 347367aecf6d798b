from chalicelib.stages import STAGE


def check():
    assert STAGE

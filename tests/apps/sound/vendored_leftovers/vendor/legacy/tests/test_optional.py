import nose
import mock

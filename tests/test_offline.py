import os
import socket

import pytest


def test_the_suite_runs_in_a_network_without_any_interface_but_loopback() -> None:
    if "MED42_OFFLINE" not in os.environ:
        assert "MED42_REQUIRE_BROWSER" not in os.environ, "where everything is required, so is this: run `make test`"
        pytest.skip("run by `make test` on Linux")
    assert [name for _, name in socket.if_nameindex()] == ["lo"]
    with pytest.raises(OSError), socket.create_connection(("192.0.2.1", 80), timeout=5):  # TEST-NET-1, RFC 5737
        pass

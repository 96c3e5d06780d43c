"""What a command behind the run's proxy finds in its environment."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

from tests.authority import OwnAuthority

from remit.runner.proxied import Offered, variables

CA = OwnAuthority().pem
OFFERED = Offered.of({"url": "http://127.0.0.1:8471", "ca": CA, "placeholders": {"API_KEY": "remit-placeholder-a-1"}})
PROXY = "http://run:secret@127.0.0.1:4711"


def test_its_clients_use_the_proxy_and_believe_it(tmp_path: Path) -> None:
    environ = {"PATH": "/bin", "ALL_PROXY": "socks://x", "no_proxy": ".example.test", "API_KEY": "a-real-one"}
    found = variables(environ, OFFERED, proxy=PROXY, folder=tmp_path)
    assert {found[name] for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")} == {PROXY}
    assert "ALL_PROXY" not in found
    assert (found["NO_PROXY"], found["no_proxy"]) == ("127.0.0.1", "127.0.0.1")  # nothing is left out but our own URLs
    assert (found["PATH"], found["API_KEY"]) == ("/bin", "remit-placeholder-a-1")
    assert Path(found["NODE_EXTRA_CA_CERTS"]).read_text(encoding="ascii") == CA
    context = ssl.create_default_context(cafile=found["SSL_CERT_FILE"])
    assert len(context.get_ca_certs()) >= 1
    for name in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"):
        assert stat.S_IMODE(Path(found[name]).stat().st_mode) == 0o600


def test_what_its_user_believes_is_believed_still(tmp_path: Path) -> None:
    own = tmp_path / "own.pem"
    own.write_text("# an authority of the user's\n", encoding="ascii")
    folder = tmp_path / "run"
    folder.mkdir()
    found = variables({"SSL_CERT_FILE": str(own)}, OFFERED, proxy=PROXY, folder=folder)
    text = Path(found["REQUESTS_CA_BUNDLE"]).read_text(encoding="ascii")
    assert text == f"# an authority of the user's\n\n{CA}"

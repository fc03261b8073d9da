"""Where a gallery on Milvus is, and how it is to be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from bouba.errors import StoreUnknown
from bouba.stores.milvus.address import Address
from bouba.stores.place import Place


def address(uri: str) -> Address:
    return Address.of(Place.of(uri))


def test_a_server() -> None:
    one = address("milvus://host:1953/photos")
    assert (one.uri, one.name, one.token, one.is_file) == ("http://host:1953", "photos", "", False)
    assert (one.consistency, one.index, one.tenant, one.database) == ("session", "auto", "", "")
    assert address("milvus://host/photos").uri == "http://host:19530"
    assert address("milvus://[::1]/photos").uri == "http://[::1]:19530"


def test_a_cloud_speaks_tls_on_its_usual_port() -> None:
    one = address("milvus://in01-x.zillizcloud.com/photos?tls=true&token=abc&db=shop&consistency=strong&index=ivf_sq8")
    assert (one.uri, one.token, one.database) == ("https://in01-x.zillizcloud.com:443", "abc", "shop")
    assert (one.consistency, one.index) == ("strong", "ivf_sq8")


def test_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert address("milvus://ann:a%40b%2Fc@host/photos").token == "ann:a@b/c"
    monkeypatch.setenv("BOUBA_MILVUS_TOKEN", "from the environment")
    assert address("milvus://host/photos").token == "from the environment"
    assert address("milvus://host/photos?token=t").token == "t"
    assert address("milvus://ann:pw@host/photos").token == "ann:pw"


def test_no_secret_is_shown() -> None:
    one = address("milvus://ann:s3cret/with@signs@host/photos?token=t0p&db=shop")
    for shown in (str(one), repr(one), one.place.uri):
        assert "s3cret" not in shown
        assert "signs" not in shown
        assert "t0p" not in shown
    assert str(one) == "milvus://ann@host/photos?db=shop"


def test_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = address("milvus://./below/demo.db")
    assert (one.uri, one.name, one.is_file) == (f"{tmp_path}/below/demo.db", "bouba", True)
    assert one.place == Place.of(f"milvus://{tmp_path}/below/demo.db")
    assert address(f"milvus://{tmp_path}/a.db?collection=photos&index=flat").name == "photos"
    assert address("milvus://~/a.db").uri == str(Path.home() / "a.db")


def test_galleries_that_differ_have_different_folders_here() -> None:
    uris = ["/a", "/b", "/a?db=x", "/a?tenant=x", "/a?tenant=y", "/a?db=x&tenant=y"]
    folders = {Place.of(f"milvus://host{rest}").folder for rest in uris}
    assert len(folders) == len(uris)
    same = ["milvus://host/a?db=x&tenant=y&token=1", "milvus://host/a?tenant=y&consistency=strong&db=x"]
    assert len({Place.of(uri).folder for uri in same}) == 1


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("milvus://host", "the collection is ''"),
        ("milvus://host/a/b", "the collection is 'a/b'"),
        ("milvus://host/1a", "begins with no digit"),
        ("milvus://host/a-b", "letters a-z, digits and _"),
        (f"milvus://host/{'a' * 201}", "at most 200 characters"),
        ("milvus:///photos", "no host"),
        ("milvus://host:0x/a", "a number from 1 to 65535"),
        ("milvus://host:70000/a", "a number from 1 to 65535"),
        ("milvus://[host/a", "no host and port"),
        ("milvus://host/a?index=best", "none of auto, flat, hnsw"),
        ("milvus://host/a?consistency=weak", "none of strong, session, bounded, eventually"),
        ("milvus://host/a?tls=yes", "none of true, false"),
        ("milvus://host/a?db=a-b", "the db is 'a-b'"),
        ("milvus://host/a?size=1", "no option 'size'"),
        ("milvus:///a.db?token=1", "no option 'token'"),
    ],
)
def test_what_is_no_address_is_refused(uri: str, said: str) -> None:
    with pytest.raises(StoreUnknown) as refused:
        address(uri)
    assert said in str(refused.value)

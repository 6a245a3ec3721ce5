"""Which answers of a site are final."""

import pytest

from dte.interlink.virtual_kubelet.answers import error_of, site_words
from dte.interlink.virtual_kubelet.ports import SiteUnavailable
from dte.runtime.errors import Refused


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_these_fail_the_pod_with_the_sites_words(status):
    error = error_of(status, b"Invalid account", what="create")
    assert isinstance(error, Refused)
    assert str(error) == "Invalid account"


@pytest.mark.parametrize("status", [500, 504])
def test_these_fail_the_pod_only_with_a_text(status):
    assert isinstance(error_of(status, b"sbatch: error", what="create"), Refused)
    assert isinstance(error_of(status, b" \n", what="create"), SiteUnavailable)


@pytest.mark.parametrize("status", [401, 403, 408, 429, 502, 503, 507])
def test_these_are_tried_again(status):
    assert isinstance(error_of(status, b"text", what="create"), SiteUnavailable)


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), (None, None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)])
def test_the_sites_own_wish_when_to_come_back_is_read(header, seconds):
    error = error_of(503, b"", what="create", retry_after=header)
    assert isinstance(error, SiteUnavailable)
    assert error.retry_after_s == seconds


def test_a_plugins_words_come_out_of_upstreams_wrapping():
    body = b"HTTP InterLink session CreatePod#1:  call exit status: 500. Body: sbatch: &#34;no&#34; &lt;partition&gt;\n"
    assert site_words(body) == 'sbatch: "no" <partition>'


def test_control_characters_and_endless_texts_do_not_reach_a_status():
    assert site_words(b"a\x1b[31mb\nc") == "a [31mb\nc"
    assert len(site_words(b"x" * 100_000)) == 4096

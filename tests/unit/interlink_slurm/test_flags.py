import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dte.interlink.sidecars.slurm.flags import (
    ARITY_OF_FLAG,
    LONG_OF_SHORT,
    OWNED_FLAGS,
    REFUSED_FLAGS,
    Arity,
    Flag,
    split_flags,
)
from dte.runtime.errors import Refused


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("-t 10", [Flag("time", "10")], id="short, apart"),
        pytest.param("-t10 -N2-4", [Flag("time", "10"), Flag("nodes", "2-4")], id="short, glued"),
        pytest.param("--time 10", [Flag("time", "10")], id="long, apart"),
        pytest.param("--gres=gpu:2", [Flag("gres", "gpu:2")], id="long, glued"),
        pytest.param("--time=", [Flag("time", "")], id="empty value"),
        pytest.param("--exclusive -O", [Flag("exclusive", None), Flag("overcommit", None)], id="without value"),
        pytest.param("--exclusive=user", [Flag("exclusive", "user")], id="optional value"),
        pytest.param("-HO -k", [Flag("hold", None), Flag("overcommit", None), Flag("no-kill", None)], id="cluster"),
        pytest.param("--comment='a \"b\" $(c)'", [Flag("comment", 'a "b" $(c)')], id="quotes stay text"),
    ],
)
def test_options_are_read_as_sbatch_would(text, flags):
    assert list(split_flags(text, source="test")) == flags


@pytest.mark.parametrize(
    ("text", "word"),
    [
        pytest.param("--arr=1-3", "--arr", id="an abbreviation"),
        pytest.param("script.sh", "script.sh", id="a bare word"),
        pytest.param("-- x", "'--'", id="end of options"),
        pytest.param("--time", "--time", id="missing value"),
        pytest.param("--hold=yes", "--hold", id="value too many"),
        pytest.param("-y", "-y", id="unknown short option"),
        pytest.param("--time='10", "quotation", id="open quote"),
        pytest.param("'--comment=a\0b'", "NUL", id="NUL"),
    ],
)
def test_what_is_no_option_is_refused_by_name(text, word):
    with pytest.raises(Refused, match="test: ") as refusal:
        split_flags(text, source="test")
    assert word.lower() in str(refusal.value).lower()


VALUES = st.text(alphabet=st.characters(exclude_characters="\0", codec="utf-8"), max_size=30)


@given(st.sampled_from([n for n, arity in ARITY_OF_FLAG.items() if arity is Arity.ONE]), VALUES)
def test_every_byte_of_a_value_survives(name, value):
    (flag,) = split_flags(shlex.quote(f"--{name}={value}"), source="test")

    assert flag.argument() == f"--{name}={value}"


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text):
    try:
        flags = split_flags(text, source="test")
    except Refused:
        return
    assert all(flag.name in ARITY_OF_FLAG for flag in flags)


def test_the_tables_name_known_options_only():
    assert {*OWNED_FLAGS, *REFUSED_FLAGS, *LONG_OF_SHORT.values()} <= set(ARITY_OF_FLAG)

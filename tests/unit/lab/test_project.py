"""Pins of the tests' environment, as constraints of the libraries in the lab."""

from tests.lab.project import constraints


def test_a_pin_with_an_extra_constrains_the_package_itself() -> None:
    assert (
        constraints("# tests\npsycopg[binary]==3.3.9\naiohttp==3.14.0\n")
        == "# tests\npsycopg==3.3.9\naiohttp==3.14.0\n"
    )

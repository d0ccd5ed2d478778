"""Which requests hash a password, found from the marks on the views."""

from __future__ import annotations

import pytest
from flask import Flask

from vault.http import Routes, takes_password


@pytest.fixture
def routes() -> Routes:
    app = Flask("marks", static_folder=None)
    app.url_map.strict_slashes = app.url_map.merge_slashes = False

    @app.route("/in", methods=["POST"])
    @takes_password
    def log_in() -> str:
        return ""

    @app.route("/in", methods=["GET"])
    def show() -> str:
        return ""

    @app.route("/login/<user>", methods=["POST", "PUT"])
    @takes_password
    def log_in_as(user: str) -> str:
        return user

    @app.route("/login", methods=["POST"])
    def nothing() -> str:
        return ""

    return Routes(app)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/in"), ("post", "/in"), ("POST", "//in"), ("POST", "/in/"), ("POST", "///in//"), ("POST", "/login/ada"),
     ("PUT", "/login/ada"), ("PUT", "//login/ada/"), ("POST", "/login/ada/bob")],
)  # fmt: skip
def test_a_request_to_a_marked_view_is_found(routes: Routes, method: str, path: str) -> None:
    assert routes.takes_password(method, path)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/in"), ("HEAD", "/in"), ("OPTIONS", "/in"), ("DELETE", "/in"), ("POST", "/inn"), ("POST", "/in/x"),
     ("POST", "/login"), ("POST", "/login/"), ("GET", "/login/ada"), ("POST", ""), ("", "/in"), ("POST", "/IN")],
)  # fmt: skip
def test_every_other_request_is_not(routes: Routes, method: str, path: str) -> None:
    assert not routes.takes_password(method, path)


def test_an_app_without_marks_hashes_nothing() -> None:
    assert not Routes(Flask("bare")).takes_password("POST", "/")

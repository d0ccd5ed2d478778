"""Names that make programs load code."""

from __future__ import annotations

import pytest

from vault.model.steering import steers_loading


@pytest.mark.parametrize(
    "name",
    "LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT LD_SOMETHING_NEW DYLD_INSERT_LIBRARIES NODE_OPTIONS BASH_ENV ENV "
    "BASH_FUNC_x%% BASH_FUNC_ls() PYTHONPATH PYTHONSTARTUP PYTHONHOME PERL5OPT PERL5LIB PERL5DB RUBYOPT RUBYLIB "
    "JAVA_TOOL_OPTIONS _JAVA_OPTIONS JDK_JAVA_OPTIONS GIT_SSH GIT_SSH_COMMAND GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 IFS "
    "PATH SHELLOPTS PROMPT_COMMAND PS4 GCONV_PATH GLIBC_TUNABLES OPENSSL_CONF DOTNET_STARTUP_HOOKS LUA_INIT_5_4 "
    "npm_config_node_options NPM_CONFIG_SCRIPT_SHELL".split(),
)
def test_a_name_that_steers(name: str) -> None:
    assert steers_loading(name)


@pytest.mark.parametrize(
    "name",
    "DATABASE_URL PORT HOME LANG TZ API_KEY NODE_ENV NODE_EXTRA_CA_CERTS LDAP_URL LD PYTHONUNBUFFERED PYTHON_VERSION "
    "RUBY_ENV JAVA_HOME JAVA_OPTS GITHUB_TOKEN GIT_AUTHOR_NAME HTTPS_PROXY SSL_CERT_FILE npm_config_registry MY_PATH "
    "ENVIRONMENT path Env NODE_OPTIONS_EXTRA".split(),
)
def test_a_name_that_is_a_setting(name: str) -> None:
    assert not steers_loading(name)

"""Names of environment variables that make a program load or run code: one list for the whole code base.

Who may write an environment should not get a shell wherever somebody calls `strongroom run`. The names are those that
sudo removes (`initial_badenv_table` in plugins/sudoers/env.c) and that glibc ignores in privileged programs
(sysdeps/generic/unsecvars.h), so far as they lead to code, and those that the manuals of the runtimes, shells and tools
below give for options, start-up files, search paths of code, and helper programs. Names that choose whom a program
trusts or where it connects (`SSL_CERT_FILE`, `HTTPS_PROXY`) are settings of the program, and not on the list.
"""

from __future__ import annotations

_PREFIXES = (
    # The loaders of Linux, macOS, Solaris, IRIX and AIX.
    "LD_",
    "DYLD_",
    "_RLD",
    "LDR_",
    # Exported functions of bash: BASH_FUNC_ls%%.
    "BASH_FUNC_",
    # Perl reads PERL5OPT, PERL5LIB, PERL5DB and PERL5SHELL.
    "PERL5",
    # Git reads every setting from GIT_CONFIG_KEY_n, also core.sshCommand.
    "GIT_CONFIG",
    "LUA_INIT",
    "LUA_PATH",
    "LUA_CPATH",
    "CORECLR_PROFILER",
    "COR_PROFILER",
)

_NAMES = frozenset(
    # The loader and the C library.
    "LIBPATH SHLIB_PATH GCONV_PATH GETCONF_DIR GLIBC_TUNABLES LOCPATH NLSPATH MALLOC_TRACE "
    # Where programs and helpers are found.
    "PATH SHELL EDITOR VISUAL PAGER MANPAGER BROWSER LESSOPEN LESSCLOSE SSH_ASKPASS SUDO_ASKPASS "
    # Shells.
    "ENV BASH_ENV BASHOPTS SHELLOPTS IFS CDPATH GLOBIGNORE PROMPT_COMMAND PS0 PS1 PS2 PS3 PS4 FPATH ZDOTDIR NULLCMD "
    "READNULLCMD "
    # Node.js.
    "NODE_OPTIONS NODE_PATH NODE_REPL_EXTERNAL_MODULE ELECTRON_RUN_AS_NODE BUN_INSPECT_PRELOAD "
    # Python.
    "PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONINSPECT PYTHONUSERBASE PYTHONBREAKPOINT PYTHONWARNINGS PYTHONEXECUTABLE "
    "PYTHONPLATLIBDIR PYTHONPYCACHEPREFIX "
    # Perl, Ruby, PHP, R, Erlang and Elixir.
    "PERLLIB PERLIO_DEBUG RUBYOPT RUBYLIB RUBYSHELL BUNDLE_GEMFILE GEM_HOME GEM_PATH PHPRC PHP_INI_SCAN_DIR R_PROFILE "
    "R_PROFILE_USER R_ENVIRON R_ENVIRON_USER ERL_FLAGS ERL_AFLAGS ERL_ZFLAGS ERL_LIBS ELIXIR_ERL_OPTIONS "
    # Java and .NET.
    "JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS _JAVA_OPTIONS CLASSPATH DOTNET_STARTUP_HOOKS DOTNET_ADDITIONAL_DEPS "
    "DOTNET_SHARED_STORE "
    # Libraries that load modules.
    "OPENSSL_CONF OPENSSL_ENGINES OPENSSL_MODULES GTK_MODULES GTK_PATH GIO_MODULE_DIR GIO_EXTRA_MODULES QT_PLUGIN_PATH "
    # Git and its helpers.
    "GIT_SSH GIT_SSH_COMMAND GIT_ASKPASS GIT_EXEC_PATH GIT_EXTERNAL_DIFF GIT_PAGER GIT_EDITOR GIT_SEQUENCE_EDITOR "
    "GIT_PROXY_COMMAND GIT_TEMPLATE_DIR "
    # Compilers and builders.
    "GOFLAGS MAKEFLAGS GNUMAKEFLAGS RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER RUSTFLAGS COMPILER_PATH "
    # Editors.
    "VIMINIT EXINIT".split()
)


# npm takes its settings in any case.
_NAMES_IN_ANY_CASE = frozenset({"NPM_CONFIG_NODE_OPTIONS", "NPM_CONFIG_SCRIPT_SHELL"})


def steers_loading(name: str) -> bool:
    """Report whether a program that finds `name` in its environment may load or run code that the value names."""
    return name in _NAMES or name.startswith(_PREFIXES) or name.upper() in _NAMES_IN_ANY_CASE

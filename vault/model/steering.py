"""Names of environment variables that make a program load or run code: one list for the whole code base.

A person or token that may write an environment should not get a shell wherever somebody calls `strongroom run`. The
names are those that sudo removes (`initial_badenv_table` in plugins/sudoers/env.c) and that glibc ignores in privileged
programs (sysdeps/generic/unsecvars.h), so far as they lead to code, and those that the manuals of the runtimes, shells
and tools below give for options, start-up files, search paths of code, and helper programs. Names that choose whom a
program trusts or where it connects (`SSL_CERT_FILE`, `HTTPS_PROXY`) are settings of the program, and not on the list.

A name of a folder or a file of settings is on the list if a program runs what it finds there: git and bash read
start-up files from HOME, fish from XDG_CONFIG_HOME and XDG_DATA_DIRS, kubectl runs the `exec` of its KUBECONFIG, and
the AWS tools run the `credential_process` of their files. So is a name whose value a build tool or a start script takes
for a program or its options: make runs CC, and Java runs a command from JAVA_OPTS (`-XX:OnOutOfMemoryError`).
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
    # Erlang reads ERL_OTP27_FLAGS too, and Cargo CARGO_BUILD_RUSTC, _RUSTC_WRAPPER and _RUSTFLAGS.
    "ERL_OTP",
    "CARGO_BUILD_RUST",
    "CORECLR_PROFILER",
    "COR_PROFILER",
    # Terraform puts TF_CLI_ARGS and TF_CLI_ARGS_init behind its command: -plugin-dir names programs.
    "TF_CLI_ARGS",
)

_SUFFIXES = (
    # Start scripts of Java programs put these behind `java`: CATALINA_OPTS, MAVEN_OPTS, ES_JAVA_OPTS. Those that Gradle
    # makes read the program's own name with this end, so they cannot be listed.
    "_OPTS",
)

_NAMES = frozenset(
    # The loader and the C library.
    "LIBPATH SHLIB_PATH GCONV_PATH GETCONF_DIR GLIBC_TUNABLES LOCPATH NLSPATH MALLOC_TRACE "
    # Folders of start-up files, settings, plug-ins and compiled code. XDG_RUNTIME_DIR has only sockets.
    "HOME XDG_CONFIG_HOME XDG_CONFIG_DIRS XDG_DATA_HOME XDG_DATA_DIRS XDG_STATE_HOME XDG_CACHE_HOME GNUPGHOME "
    "DOCKER_CONFIG HELM_PLUGINS HELM_CONFIG_HOME HELM_DATA_HOME CLOUDSDK_CONFIG AZURE_CONFIG_DIR AZURE_EXTENSION_DIR "
    "CARGO_HOME RUSTUP_HOME GRADLE_USER_HOME IPYTHONDIR JUPYTER_CONFIG_DIR JUPYTER_PATH "
    # Files of settings that name programs to run.
    "KUBECONFIG AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE BOTO_CONFIG TF_CLI_CONFIG_FILE TERRAFORM_CONFIG "
    "ANSIBLE_CONFIG ANSIBLE_LIBRARY ANSIBLE_ROLES_PATH ANSIBLE_COLLECTIONS_PATH INPUTRC "
    # Where programs and helpers are found.
    "PATH SHELL EDITOR VISUAL PAGER MANPAGER BROWSER SSH_ASKPASS SUDO_ASKPASS SSH_SK_PROVIDER SSH_SK_HELPER "
    "SSH_PKCS11_HELPER RSYNC_RSH CVS_RSH SVN_SSH HGRCPATH HGEDITOR HGMERGE TAR_OPTIONS WGETRC BORG_RSH "
    "BORG_PASSCOMMAND RESTIC_PASSWORD_COMMAND "
    # Pagers and editors of tools. Less runs commands that its options and its keys name.
    "LESS LESSOPEN LESSCLOSE LESSEDIT LESSKEY LESSKEYIN LESSKEY_CONTENT SYSTEMD_PAGER SYSTEMD_EDITOR PSQLRC "
    "PSQL_PAGER PSQL_EDITOR AWS_PAGER KUBE_EDITOR KUBECTL_EXTERNAL_DIFF GH_PAGER GH_EDITOR GH_BROWSER "
    # Shells.
    "ENV BASH_ENV BASHOPTS SHELLOPTS IFS CDPATH GLOBIGNORE PROMPT_COMMAND PS0 PS1 PS2 PS3 PS4 FPATH ZDOTDIR NULLCMD "
    "READNULLCMD "
    # Node.js.
    "NODE_OPTIONS NODE_PATH NODE_REPL_EXTERNAL_MODULE ELECTRON_RUN_AS_NODE BUN_INSPECT_PRELOAD "
    "BUN_OPTIONS YARN_YARN_PATH YARN_RC_FILENAME YARN_PLUGINS "
    # Python.
    "PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONINSPECT PYTHONUSERBASE PYTHONBREAKPOINT PYTHONWARNINGS PYTHONEXECUTABLE "
    "PYTHONPLATLIBDIR PYTHONPYCACHEPREFIX PYTHON_PRESITE PYTEST_ADDOPTS PYTEST_PLUGINS GUNICORN_CMD_ARGS "
    # Perl, Ruby, PHP, R, Erlang, Elixir and others.
    "PERLLIB PERLIO_DEBUG RUBYOPT RUBYLIB RUBYSHELL BUNDLE_GEMFILE GEM_HOME GEM_PATH PHPRC PHP_INI_SCAN_DIR R_PROFILE "
    "R_PROFILE_USER R_ENVIRON R_ENVIRON_USER ERL_FLAGS ERL_AFLAGS ERL_ZFLAGS ERL_LIBS ELIXIR_ERL_OPTIONS "
    "ERL_COMPILER_OPTIONS RUBYGEMS_GEMDEPS R_HOME R_LIBS R_LIBS_USER R_LIBS_SITE JULIA_LOAD_PATH JULIA_DEPOT_PATH "
    "GUILE_LOAD_PATH GUILE_LOAD_COMPILED_PATH TCLLIBPATH TCL_LIBRARY CAML_LD_LIBRARY_PATH AWKPATH AWKLIBPATH "
    "PSModulePath "
    # Java and .NET.
    "JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS _JAVA_OPTIONS CLASSPATH DOTNET_STARTUP_HOOKS DOTNET_ADDITIONAL_DEPS "
    "JAVA_HOME JRE_HOME JAVACMD MAVEN_ARGS DOTNET_ROOT "
    "DOTNET_SHARED_STORE JDK_JAVAC_OPTIONS OPENJ9_JAVA_OPTIONS IBM_JAVA_OPTIONS MONO_PATH MONO_ENV_OPTIONS "
    # Libraries that load modules.
    "OPENSSL_CONF OPENSSL_ENGINES OPENSSL_MODULES GTK_MODULES GTK_PATH GIO_MODULE_DIR GIO_EXTRA_MODULES QT_PLUGIN_PATH "
    "QT_QPA_PLATFORM_PLUGIN_PATH QML_IMPORT_PATH QML2_IMPORT_PATH GTK_IM_MODULE_FILE GDK_PIXBUF_MODULE_FILE "
    "GST_PLUGIN_PATH GST_PLUGIN_SYSTEM_PATH GST_PLUGIN_SCANNER VK_LAYER_PATH VK_ADD_LAYER_PATH VK_ICD_FILENAMES "
    "VK_DRIVER_FILES LIBGL_DRIVERS_PATH OCL_ICD_VENDORS CUDA_INJECTION64_PATH OMP_TOOL_LIBRARIES SASL_PATH "
    "LIBMYSQL_PLUGINS LIBMYSQL_PLUGIN_DIR "
    # Git and its helpers.
    "GIT_SSH GIT_SSH_COMMAND GIT_ASKPASS GIT_EXEC_PATH GIT_EXTERNAL_DIFF GIT_PAGER GIT_EDITOR GIT_SEQUENCE_EDITOR "
    "GIT_PROXY_COMMAND GIT_TEMPLATE_DIR GIT_DIR GIT_COMMON_DIR "
    # Options with commands in them.
    "ANSIBLE_SSH_ARGS ANSIBLE_SSH_COMMON_ARGS ANSIBLE_SSH_EXTRA_ARGS ANSIBLE_SSH_EXECUTABLE FZF_DEFAULT_COMMAND "
    "FZF_DEFAULT_OPTS RIPGREP_CONFIG_PATH "
    # Compilers and builders: programs that make, configure scripts, setuptools, node-gyp and cargo run, and their
    # options, which name plug-ins and wrappers.
    "CC CXX CPP FC F77 AS AR LD NM RANLIB STRIP OBJCOPY LINK LDSHARED LDCXXSHARED PKG_CONFIG PKG_CONFIG_PATH "
    "PKG_CONFIG_LIBDIR CFLAGS CXXFLAGS CPPFLAGS LDFLAGS FFLAGS FCFLAGS ARFLAGS MAKE CMAKE_TOOLCHAIN_FILE "
    "CMAKE_C_COMPILER_LAUNCHER CMAKE_CXX_COMPILER_LAUNCHER CLOUDSDK_PYTHON NODE_GYP_FORCE_PYTHON "
    "GOFLAGS GOENV GOROOT MAKEFLAGS GNUMAKEFLAGS MAKEFILES CONFIG_SITE CONFIG_SHELL RUSTC RUSTC_WRAPPER "
    "RUSTC_WORKSPACE_WRAPPER RUSTFLAGS CARGO_ENCODED_RUSTFLAGS COMPILER_PATH GCC_EXEC_PREFIX "
    # Editors.
    "VIMINIT GVIMINIT EXINIT EMACSLOADPATH".split()
)


# npm takes its settings in any case, and with "-" for "_".
_NPM = frozenset(
    f"NPM_CONFIG_{name}"
    for name in "NODE_OPTIONS SCRIPT_SHELL SHELL GIT EDITOR VIEWER USERCONFIG GLOBALCONFIG PREFIX INIT_MODULE".split()
)


def steers_loading(name: str) -> bool:
    """Report whether a program that finds `name` in its environment may load or run code that the value names."""
    return (
        name in _NAMES
        or name.startswith(_PREFIXES)
        or name.endswith(_SUFFIXES)
        or name.upper().replace("-", "_") in _NPM
    )

//! The command line: flags, what they print, and the exit code.
//!
//! Owns the flags and the texts for inspection. Promises that everything wrong with a configuration is said before the
//! first thread starts. [`run`] is pure but for the sources it is given; [`run_process`] gives it those of the process.

mod admin;
mod call;
mod exit;
mod explanation;
mod health;
mod summary;

use std::env;
use std::ffi::OsString;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::{ArgGroup, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::{self, Config, Loaded, Origin, Overrides, Surroundings};

use self::admin::AdminFlags;
pub use self::admin::Errand;
pub use self::exit::Exit;
pub use self::health::Inquiry;
use self::summary::summary;
pub use self::summary::{going_public_hint, remarks};

/// The name of the program, in completions and messages.
const PROGRAM: &str = "signal-fish-relay";

const EXAMPLES: &str = "\
Examples:
  signal-fish-relay
      Start on 127.0.0.1:3536, open to any app.
  signal-fish-relay --config /etc/signal-fish-relay.json
      Read this file; variables and flags still win over it.
  signal-fish-relay --bind 0.0.0.0 --port 3536 --validate-config
      Say what is missing to go public.
  SIGNAL_FISH__SERVER__MAX_ROOMS=500 signal-fish-relay --print-config
      Show the configuration that results and, on the standard error, where each value is from.
  signal-fish-relay --explain server.max_rooms
      What this key is for, what it takes, and what it is now.
  signal-fish-relay --sample-config > config.json
      Every key with its default.
  signal-fish-relay --health http://127.0.0.1:3536
      Does the server there take players in? Without a URL: the one of this configuration.
  signal-fish-relay admin top
      What the server of this configuration does, once a second; see admin --help.
  signal-fish-relay --completions bash > /etc/bash_completion.d/signal-fish-relay

Sources, later ones win: defaults, config.json beside the executable, config.json in the working
directory, the file in SIGNAL_FISH_CONFIG_PATH (--config replaces these three), standard input when
SIGNAL_FISH_CONFIG_STDIN=1, the JSON in SIGNAL_FISH_CONFIG_JSON, SIGNAL_FISH__SECTION__KEY, flags.

Exit codes: 0 a clean stop, a valid configuration, a server that is ready, or a text that was asked
for; 1 the server cannot start, had to be forced to stop or is not ready, or the configuration is not
valid; 2 the command line is wrong.";

#[derive(Debug, Parser)]
#[command(
    name = PROGRAM,
    version,
    about = "A WebSocket relay for multiplayer game rooms that speaks the Signal Fish protocol",
    after_help = EXAMPLES,
    group = ArgGroup::new("inspection").multiple(false)
)]
struct Flags {
    /// Read this configuration file and look for no other
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Listen on this address; `::` is every IPv4 and IPv6 address
    #[arg(long, value_name = "ADDR")]
    bind: Option<IpAddr>,
    /// Listen on this TCP port; 0 lets the system choose one
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// Run this many shards; 0 is one per CPU that the process may use
    #[arg(long, value_name = "N")]
    shards: Option<usize>,
    /// Check the configuration, print a summary and end
    #[arg(short = 'c', long, group = "inspection")]
    validate_config: bool,
    /// Print the configuration that results, without secrets, and where each value is from, and end; it need not be valid
    #[arg(long, group = "inspection")]
    print_config: bool,
    /// Print a JSON Schema of the configuration, for editors, and end
    #[arg(long, group = "inspection")]
    print_config_schema: bool,
    /// Print what this key is for, what it takes, and what it is now and why, and end
    #[arg(long, value_name = "KEY", group = "inspection")]
    explain: Option<String>,
    /// Print every key with its default and end
    #[arg(long, group = "inspection")]
    sample_config: bool,
    /// Ask a running server whether it takes players in, and end; a URL as http://HOST:PORT/PATH, or https, /readyz without a path
    #[arg(long, value_name = "URL", num_args = 0..=1, group = "inspection")]
    health: Option<Option<Inquiry>>,
    /// Print completions for this shell and end
    #[arg(long, value_name = "SHELL", group = "inspection")]
    completions: Option<Shell>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look inside a running server, or act on it
    Admin(AdminFlags),
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Action {
    /// Serve with this configuration, which is valid.
    Serve(Box<Loaded>),
    /// Print this and end.
    Exit(Exit),
    /// Open what this configuration names, and end with what is wrong with that, or else with this.
    Check(Box<Loaded>, Exit),
    /// Ask a running server, and end with what it says.
    Inquire(Inquiry),
    /// Look inside a running server or act on it, and end.
    Administer(Box<Errand>),
}

/// [`run`] with the arguments, variables, directories and standard input of this process.
#[must_use]
pub fn run_process() -> Action {
    let working_dir = match env::current_dir() {
        Ok(dir) => dir,
        Err(error) => return Action::Exit(Exit::invalid(format_args!("the working directory is gone: {error}"))),
    };
    let executable_dir = env::current_exe()
        .ok()
        .and_then(|path| path.parent().map(ToOwned::to_owned));
    let surroundings = Surroundings {
        variables: env::vars_os().collect(),
        working_dir,
        executable_dir,
        stdin: &mut io::stdin().lock(),
    };
    run(env::args_os(), surroundings)
}

/// The configuration as its sources have it now, valid, for a process that was started with `at_start`.
///
/// # Errors
///
/// What is wrong with it, one fault per line.
pub fn reload_process(at_start: &[Origin]) -> Result<Box<Loaded>, String> {
    if at_start.contains(&Origin::Stdin) {
        return Err(
            "the configuration came from the standard input, which cannot be read again; restart instead".into(),
        );
    }
    match run_process() {
        Action::Serve(loaded) => Ok(loaded),
        Action::Exit(exit) | Action::Check(_, exit) => Err(exit.stderr),
        Action::Inquire(_) | Action::Administer(_) => unreachable!("a process that asks another serves nobody"),
    }
}

/// Reads the command line and, unless it asks for something fixed, the configuration.
pub fn run(arguments: impl IntoIterator<Item = OsString>, surroundings: Surroundings<'_>) -> Action {
    let flags = match Flags::try_parse_from(arguments) {
        Ok(flags) => flags,
        Err(usage) => return Action::Exit(usage_exit(&usage)),
    };
    if let Some(shell) = flags.completions {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Flags::command(), PROGRAM, &mut script);
        return Action::Exit(Exit::shown(String::from_utf8_lossy(&script).into_owned()));
    }
    if flags.print_config_schema {
        let schema = config::json_schema();
        return Action::Exit(Exit::shown(format!("{schema:#}\n")));
    }
    if flags.sample_config {
        return Action::Exit(Exit::shown(sample_config()));
    }
    if let Some(Some(inquiry)) = flags.health {
        return Action::Inquire(inquiry);
    }
    let overrides = Overrides {
        config_file: flags.config,
        bind: flags.bind,
        port: flags.port,
        shards: flags.shards,
    };
    if let Some(key) = flags.explain {
        let loaded = config::load(surroundings, &overrides);
        return Action::Exit(explanation::explain(&key, loaded.as_ref().ok()));
    }
    let loaded = match config::load(surroundings, &overrides) {
        Ok(loaded) => loaded,
        Err(errors) => return Action::Exit(Exit::invalid(errors)),
    };
    if flags.health.is_some() {
        // Whether it is valid is the running server's affair.
        return Action::Inquire(Inquiry::of(&loaded.config));
    }
    if let Some(Command::Admin(flags)) = flags.command {
        return match Errand::of(flags, &loaded.config) {
            Ok(errand) => Action::Administer(Box::new(errand)),
            Err(fault) => Action::Exit(Exit::invalid(fault)),
        };
    }
    let validated = loaded.config.validate();
    if flags.print_config {
        let mut exit = Exit::shown(to_json(&loaded.config.fit_to_be_shown()));
        if let Err(violations) = validated {
            exit.stderr = violations
                .0
                .iter()
                .map(|violation| format!("Not valid: {violation}\n"))
                .collect();
        }
        exit.stderr.push_str(&explanation::sources(&loaded));
        return Action::Exit(exit);
    }
    match validated {
        Err(violations) if flags.validate_config && !violations.are_of_tls() => {
            Action::Check(Box::new(loaded), Exit::invalid(violations))
        }
        Err(violations) => Action::Exit(Exit::invalid(violations)),
        Ok(()) if flags.validate_config => {
            let summary = summary(&loaded);
            Action::Check(Box::new(loaded), Exit::shown(summary))
        }
        Ok(()) => Action::Serve(Box::new(loaded)),
    }
}

/// Every key with its default, as JSON; what `--sample-config` prints.
#[must_use]
pub fn sample_config() -> String {
    to_json(&Config::default())
}

fn to_json(config: &Config) -> String {
    let mut text = serde_json::to_string_pretty(config).expect("a config has string keys only");
    text.push('\n');
    text
}

fn usage_exit(usage: &clap::Error) -> Exit {
    let text = usage.render().to_string();
    let code = u8::try_from(usage.exit_code()).unwrap_or(2);
    if usage.use_stderr() {
        Exit {
            stdout: String::new(),
            stderr: text,
            code,
        }
    } else {
        Exit {
            stdout: text,
            stderr: String::new(),
            code,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> Action {
        let dir = tempfile::tempdir().expect("a directory");
        let surroundings = Surroundings {
            variables: variables
                .iter()
                .map(|&(name, value)| (name.into(), value.into()))
                .collect(),
            working_dir: dir.path().to_owned(),
            executable_dir: None,
            stdin: &mut io::empty(),
        };
        run([PROGRAM].iter().chain(arguments).map(OsString::from), surroundings)
    }

    fn exit(arguments: &[&str], variables: &[(&str, &str)]) -> Exit {
        match run_with(arguments, variables) {
            Action::Exit(exit) | Action::Check(_, exit) => exit,
            other => panic!("{arguments:?} would lead to {other:?}"),
        }
    }

    #[test]
    fn the_flags_are_consistent() {
        Flags::command().debug_assert();
    }

    #[test]
    fn nothing_at_all_serves_on_loopback() {
        let Action::Serve(loaded) = run_with(&[], &[]) else {
            panic!("it must start")
        };
        assert_eq!(loaded.config, Config::default());
        assert!(going_public_hint(&loaded.config).is_some());
        assert_eq!(remarks(&loaded), Vec::<String>::new());
    }

    #[test]
    fn flags_win_over_variables() {
        let variables = [("SIGNAL_FISH__PORT", "1000"), ("SIGNAL_FISH__RUNTIME__SHARDS", "3")];
        let Action::Serve(loaded) = run_with(&["--port", "2000", "--bind", "::1"], &variables) else {
            panic!("it must start")
        };
        assert_eq!((loaded.config.port, loaded.config.runtime.shards), (2000, 3));
        assert_eq!(loaded.config.bind.to_string(), "::1");
    }

    #[test]
    fn a_server_is_asked_by_its_url_or_by_the_configuration() {
        let whom = |arguments: &[&str], variables: &[(&str, &str)]| match run_with(arguments, variables) {
            Action::Inquire(inquiry) => inquiry,
            other => panic!("{arguments:?} would lead to {other:?}"),
        };
        let named = whom(
            &["--health", "http://127.0.0.1:9/readyz"],
            &[("SIGNAL_FISH__PORT", "nonsense")],
        );
        assert_eq!(
            Ok(named),
            "http://127.0.0.1:9".parse(),
            "no configuration is read for that"
        );
        // One that is not valid will do: it is public, and nothing has been decided.
        let configured = whom(&["--health", "--bind", "0.0.0.0"], &[("SIGNAL_FISH__PORT", "9")]);
        assert_eq!(Ok(configured), "http://127.0.0.1:9".parse());
        assert_eq!(exit(&["--health", "127.0.0.1"], &[]).code, 2);
        assert_eq!(exit(&["--health"], &[("SIGNAL_FISH__PORT", "nonsense")]).code, 1);
    }

    #[test]
    fn a_wrong_command_line_exits_with_2_and_a_text_that_was_asked_for_with_0() {
        for wrong in [
            &["--prot", "1"][..],
            &["--port", "70000"],
            &["-c", "--print-config"],
            &["serve"],
        ] {
            let exit = exit(wrong, &[]);
            assert_eq!(exit.code, 2, "{wrong:?}");
            assert!(exit.stdout.is_empty() && !exit.stderr.is_empty(), "{wrong:?}");
        }
        let help = exit(&["--help"], &[]);
        assert!(help.code == 0 && help.stdout.contains("Examples:") && help.stderr.is_empty());
        let version = exit(&["-V"], &[]);
        assert_eq!(
            version.stdout,
            format!("signal-fish-relay {}\n", env!("CARGO_PKG_VERSION"))
        );
        assert!(
            exit(&["--completions", "bash"], &[])
                .stdout
                .contains("--validate-config")
        );
    }

    #[test]
    fn a_check_says_every_fault_and_exits_with_1() {
        let faults = [
            ("SIGNAL_FISH__SERVER__MAX_ROOMS", "0"),
            ("SIGNAL_FISH__BIND", "0.0.0.0"),
        ];
        let exit_checked = exit(&["--validate-config"], &faults);
        assert_eq!(exit_checked.code, 1);
        assert!(exit_checked.stdout.is_empty());
        assert_eq!(exit_checked.stderr.lines().count(), 3, "{}", exit_checked.stderr);
        assert!(exit_checked.stderr.lines().all(|line| line.starts_with("Error: ")));
        assert_eq!(exit(&[], &faults), exit_checked, "starting says the same");
    }

    #[test]
    fn a_check_that_passes_prints_a_summary() {
        let exit = exit(
            &["-c"],
            &[
                ("SIGNAL_FISH__SERVER__REGION_ID", "eu"),
                ("SIGNAL_FISH__SERVER__MAX_ROOMS", "9"),
            ],
        );
        assert_eq!((exit.code, exit.stderr.as_str()), (0, ""));
        for row in [
            "127.0.0.1:3536",
            "one per CPU",
            "registered apps           0",
            "connect tokens            none",
            "pages that may connect    of any origin",
            "eu",
            "SIGNAL_FISH__SERVER__MAX_ROOMS",
        ] {
            assert!(exit.stdout.contains(row), "{row} is not in {}", exit.stdout);
        }
    }

    #[test]
    fn the_summary_shows_what_follows_from_what_is_given() {
        let key = r#"{"public_key": "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="}"#;
        let exit = exit(
            &["-c"],
            &[
                (
                    "SIGNAL_FISH__SECURITY__ALLOWED_APPS",
                    r#"[{"app_id": "a", "app_name": "A"}]"#,
                ),
                ("SIGNAL_FISH__SECURITY__METRICS_AUTH_TOKEN", "sixteen-characters"),
                ("SIGNAL_FISH__SECURITY__CONNECT_TOKEN", key),
                ("SIGNAL_FISH__SECURITY__CORS_ORIGINS", "https://play.example,app://x"),
            ],
        );
        for row in [
            "127.0.0.1:3536",
            "app allow-list            on",
            "metrics authentication    on",
            "connect tokens            required",
            "pages that may connect    https://play.example, app://x",
        ] {
            assert!(exit.stdout.contains(row), "{row} is not in {}", exit.stdout);
        }
        assert!(!exit.stdout.contains("Note: "), "{}", exit.stdout);
    }

    #[test]
    fn printing_hides_secrets_and_works_when_the_configuration_is_not_valid() {
        let variables = [
            ("SIGNAL_FISH__SECURITY__METRICS_AUTH_TOKEN", " hunter2"),
            ("SIGNAL_FISH__TURN__STATIC_AUTH_SECRET", "hunter3"),
            (
                "SIGNAL_FISH__SESSION__ICE_SERVERS",
                r#"[{"urls": ["turn:a"], "credential": "hunter4"}]"#,
            ),
        ];
        let exit = exit(&["--print-config"], &variables);
        assert_eq!(exit.code, 0);
        assert!(!exit.stdout.contains("hunter") && !exit.stderr.contains("hunter"));
        let printed: serde_json::Value = serde_json::from_str(&exit.stdout).expect("JSON");
        for secret in [
            "/security/metrics_auth_token",
            "/turn/static_auth_secret",
            "/session/ice_servers/0/credential",
        ] {
            assert_eq!(printed.pointer(secret), Some(&"<redacted>".into()), "{secret}");
        }
        assert!(
            exit.stderr.starts_with("Not valid: `security.metrics_auth_token`"),
            "{}",
            exit.stderr
        );
    }

    #[test]
    fn a_load_error_exits_with_1_for_printing_too() {
        let exit = exit(&["--print-config"], &[("SIGNAL_FISH__SERVER__MAX_ROMS", "1")]);
        assert_eq!(exit.code, 1);
        assert_eq!(
            exit.stderr,
            "Error: SIGNAL_FISH__SERVER__MAX_ROMS: unknown key `server.max_roms`, did you mean `server.max_rooms`?\n"
        );
    }

    #[test]
    fn the_sample_is_the_file_in_deploy() {
        let sample = exit(&["--sample-config"], &[]).stdout;
        assert_eq!(
            sample,
            include_str!("../../deploy/config.example.json"),
            "print it again with --sample-config"
        );
        let loaded: Config = serde_json::from_str(&sample).expect("it loads");
        assert_eq!(loaded, Config::default());
        assert_eq!(loaded.validate(), Ok(()));
    }
}

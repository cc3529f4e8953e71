//! Where the configuration comes from and how the sources become one.
//!
//! Owns the order of the sources: compiled defaults, `config.json` beside the executable, `config.json` in the working
//! directory, the file named by `SIGNAL_FISH_CONFIG_PATH`, the standard input, `SIGNAL_FISH_CONFIG_JSON`, one variable
//! per key, flags. Later ones win: objects are merged member by member, every other value is replaced. Promises to
//! report every fault of every source at once, each with the source that has it. Must never look at the process: what
//! surrounds it is an argument.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::{LoadError, LoadErrors, Origin};
use super::merge::merge;
use super::schema::{Node, join};
use super::types::take_wrong_types;
use super::unknown_keys::take_unknown_keys;
use super::{AllowedApp, Config, Violation, json, old_names, variables};

/// The most that is read from one source, in bytes.
const MAX_SOURCE_BYTES: u64 = 16 << 20;

/// The name of a configuration file that is found without being named.
const FILE_NAME: &str = "config.json";

/// What surrounds the process.
pub struct Surroundings<'a> {
    /// The environment variables.
    pub variables: Vec<(OsString, OsString)>,
    /// The working directory; relative paths start here.
    pub working_dir: PathBuf,
    /// The directory of the executable, when known.
    pub executable_dir: Option<PathBuf>,
    /// The standard input; read only when `SIGNAL_FISH_CONFIG_STDIN` asks for it.
    pub stdin: &'a mut dyn Read,
}

/// What flags set. Flags win over every other source.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The one file to read, instead of looking for one.
    pub config_file: Option<PathBuf>,
    /// Sets `bind`.
    pub bind: Option<IpAddr>,
    /// Sets `port`.
    pub port: Option<u16>,
    /// Sets `runtime.shards`.
    pub shards: Option<usize>,
}

/// A configuration and what is to be said about where it came from.
#[derive(Debug)]
pub struct Loaded {
    /// The effective configuration. Not validated yet.
    pub config: Config,
    /// The sources that gave something, lowest first.
    pub origins: Vec<Origin>,
    /// Which source gave each value that is none of the defaults'.
    pub sources: BTreeMap<String, Origin>,
    /// What the operator should know: old spellings, values that are dropped.
    pub notices: Vec<String>,
    /// Whether the environment says that this is a production system.
    pub production: bool,
}

/// Reads and merges all sources.
///
/// # Errors
///
/// Every source that cannot be read, every key that does not exist and every value of the wrong type.
pub fn load(surroundings: Surroundings<'_>, overrides: &Overrides) -> Result<Loaded, LoadErrors> {
    let Surroundings {
        variables,
        working_dir,
        executable_dir,
        stdin,
    } = surroundings;
    let mut loader = Loader {
        tree: Node::config(),
        merged: defaults(),
        origins: Vec::new(),
        sources: BTreeMap::new(),
        notices: Vec::new(),
        errors: Vec::new(),
    };

    if let Some(file) = &overrides.config_file {
        loader.add_named_file("--config", &working_dir.join(file));
    } else {
        let beside = executable_dir.map(|dir| dir.join(FILE_NAME));
        let here = working_dir.join(FILE_NAME);
        if let Some(beside) = beside.filter(|beside| *beside != here) {
            loader.add_file_if_there(&beside);
        }
        loader.add_file_if_there(&here);
        if let Some(named) = variable(&variables, "SIGNAL_FISH_CONFIG_PATH").filter(|path| !path.is_empty()) {
            loader.add_named_file("SIGNAL_FISH_CONFIG_PATH", &working_dir.join(named));
        }
    }
    if variable(&variables, "SIGNAL_FISH_CONFIG_STDIN").is_some_and(means_yes) {
        let text = read_limited(Origin::Stdin, stdin);
        loader.add_text(Origin::Stdin, text);
    }
    if let Some(text) = variable(&variables, "SIGNAL_FISH_CONFIG_JSON") {
        loader.add_text(Origin::JsonVariable, Ok(text.to_string_lossy().into_owned()));
    }
    variables::note_unknown(&variables, &loader.tree, &mut loader.errors);
    for source in variables::read(&variables, &loader.tree, &mut loader.errors) {
        loader.add(source.origin, source.document);
    }

    let mut config = Config::deserialize(&loader.merged).expect("every source was checked against these types");
    // An IPv4 address that is written as one of IPv6 is that of IPv4: no socket of IPv6 can be bound to it.
    config.bind = overrides.bind.unwrap_or(config.bind).to_canonical();
    config.control.bind = config.control.bind.map(|bind| bind.to_canonical());
    config.port = overrides.port.unwrap_or(config.port);
    config.runtime.shards = overrides.shards.unwrap_or(config.runtime.shards);
    for (path, is_set) in [
        ("bind", overrides.bind.is_some()),
        ("port", overrides.port.is_some()),
        ("runtime.shards", overrides.shards.is_some()),
    ] {
        if is_set {
            loader.sources.insert(path.to_owned(), Origin::Flags);
        }
    }
    if overrides.bind.is_some() || overrides.port.is_some() || overrides.shards.is_some() {
        loader.origins.push(Origin::Flags);
    }
    if let Some(path) = &config.security.app_auth_path {
        let apps = loader.read_apps(&working_dir.join(path));
        config.security.allowed_apps.extend(apps);
    }

    if !loader.errors.is_empty() {
        loader.note_violations(&config);
        return Err(LoadErrors(loader.errors));
    }
    Ok(Loaded {
        config,
        origins: loader.origins,
        sources: loader.sources,
        notices: loader.notices,
        production: variables::is_production(&variables),
    })
}

struct Loader {
    tree: Node,
    merged: Value,
    origins: Vec<Origin>,
    sources: BTreeMap<String, Origin>,
    notices: Vec<String>,
    errors: Vec<LoadError>,
}

impl Loader {
    fn add_file_if_there(&mut self, path: &Path) {
        match read_file(path) {
            Err(LoadError::Unreadable { error, .. }) if error.kind() == io::ErrorKind::NotFound => {}
            text => self.add_text(Origin::File(path.to_owned()), text),
        }
    }

    fn add_named_file(&mut self, named_by: &'static str, path: &Path) {
        let text = read_file(path).map_err(|error| named_file_error(error, named_by, path));
        self.add_text(Origin::File(path.to_owned()), text);
    }

    /// Notes what else is not allowed, beside what was not understood: as far as that can have nothing to do with it.
    fn note_violations(&mut self, config: &Config) {
        let Err(found) = config.validate() else { return };
        let unknown: Option<Vec<_>> = self.errors.iter().map(LoadError::unknown_paths).collect();
        let unknown: Option<Vec<String>> = unknown.map(|paths| paths.into_iter().flatten().collect());
        let is_of_it = |violation: &Violation| {
            // What cannot be read at all may have to do with everything.
            unknown.as_ref().is_none_or(|unknown| {
                unknown.iter().any(|path| {
                    is_below(path, &violation.path)
                        || is_below(&violation.path, path)
                        || [&violation.allowed, &violation.cure]
                            .iter()
                            .any(|text| text.contains(path.as_str()))
                })
            })
        };
        // A number that a variable sets and that may never be so stays wrong whatever else was meant: nothing is above it.
        let is_final = |path: &str| matches!(self.sources.get(path), Some(Origin::Variable(_)));
        let beyond = config.beyond_bounds();
        let is_wrong_anyway = |violation: &Violation| is_final(&violation.path) && beyond.contains(&violation.path);
        let others = found.0.into_iter();
        let others: Vec<_> = others
            .filter(|violation| is_wrong_anyway(violation) || !is_of_it(violation))
            .collect();
        self.errors.extend(others.into_iter().map(LoadError::NotAllowed));
    }

    /// Adds a source given as text. An empty one counts as absent.
    fn add_text(&mut self, origin: Origin, text: Result<String, LoadError>) {
        let parsed = text.and_then(|text| match text.trim() {
            "" => Ok(None),
            text => parse_object(&origin, text, &mut self.errors).map(Some),
        });
        match parsed {
            Ok(Some(document)) => self.add(origin, document),
            Ok(None) => {}
            Err(error) => self.errors.push(error),
        }
    }

    /// Merges one source, without its faults: those are noted, so that all are reported together.
    fn add(&mut self, origin: Origin, mut document: Value) {
        old_names::rename(&mut document, &origin, &mut self.notices, &mut self.errors);
        for unknown in take_unknown_keys(&mut document, &self.tree) {
            let (path, nearest) = (unknown.path, unknown.nearest);
            self.errors.push(LoadError::UnknownKey {
                origin: origin.clone(),
                path,
                nearest,
            });
        }
        for wrong in take_wrong_types::<Config>(&mut document, &self.tree, &defaults()) {
            let (path, reason) = (wrong.path, wrong.reason);
            self.errors.push(LoadError::WrongType {
                origin: origin.clone(),
                path,
                reason,
            });
        }
        for path in set_paths(&document, &self.tree) {
            self.sources.insert(path, origin.clone());
        }
        merge(&mut self.merged, document);
        self.origins.push(origin);
    }

    /// The apps in the file that `security.app_auth_path` names.
    fn read_apps(&mut self, path: &Path) -> Vec<AllowedApp> {
        let origin = Origin::File(path.to_owned());
        let document = read_file(path)
            .map_err(|error| named_file_error(error, "security.app_auth_path", path))
            .and_then(|text| parse_object(&origin, &text, &mut self.errors));
        let mut document = match document {
            Ok(document) => document,
            Err(error) => {
                self.errors.push(error);
                return Vec::new();
            }
        };
        if let Some(apps) = document.get_mut("apps") {
            old_names::drop_app_secrets(apps, &origin, &mut self.notices);
        }
        let tree = Node::app_file();
        for unknown in take_unknown_keys(&mut document, &tree) {
            let (path, nearest) = (unknown.path, unknown.nearest);
            self.errors.push(LoadError::UnknownKey {
                origin: origin.clone(),
                path,
                nearest,
            });
        }
        if document.get("apps").is_none() {
            self.errors.push(LoadError::NoApps { origin });
            return Vec::new();
        }
        for wrong in take_wrong_types::<AppFile>(&mut document, &tree, &Value::Object(Map::new())) {
            let (path, reason) = (wrong.path, wrong.reason);
            self.errors.push(LoadError::WrongType {
                origin: origin.clone(),
                path,
                reason,
            });
        }
        AppFile::deserialize(&document)
            .expect("it was checked against this type")
            .apps
    }
}

/// The file that `security.app_auth_path` names.
#[derive(Deserialize)]
struct AppFile {
    #[serde(default)]
    apps: Vec<AllowedApp>,
}

/// The compiled defaults, to merge into. They hold no secret, so nothing in them is redacted.
fn defaults() -> Value {
    serde_json::to_value(Config::default()).expect("a config has string keys only")
}

fn parse_object(origin: &Origin, text: &str, errors: &mut Vec<LoadError>) -> Result<Value, LoadError> {
    let document = json::parse(text).map_err(|fault| LoadError::NotJson {
        origin: origin.clone(),
        fault: fault.to_string(),
    })?;
    errors.extend(document.repeated.into_iter().map(|path| LoadError::Repeated {
        origin: origin.clone(),
        path,
    }));
    match document.value {
        object @ Value::Object(_) => Ok(object),
        _ => Err(LoadError::NotAnObject { origin: origin.clone() }),
    }
}

/// The paths of the values that a document sets: lists, and members of maps, are values as a whole.
fn set_paths(document: &Value, tree: &Node) -> Vec<String> {
    fn walk(value: &Value, node: &Node, path: &str, found: &mut Vec<String>) {
        match (value, node) {
            (Value::Object(members), Node::Section(keys)) => {
                for (key, value) in members {
                    if let Some(node) = keys.get(key) {
                        walk(value, node, &join(path, key), found);
                    }
                }
            }
            _ => found.push(path.to_owned()),
        }
    }
    let mut found = Vec::new();
    walk(document, tree, "", &mut found);
    found
}

/// Whether a path is another, or leads to something in it.
fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.is_empty() || above.is_empty() || rest.starts_with(['.', '[']))
}

fn read_file(path: &Path) -> Result<String, LoadError> {
    let origin = Origin::File(path.to_owned());
    match File::open(path) {
        Ok(mut file) => read_limited(origin, &mut file),
        Err(error) => Err(LoadError::Unreadable { origin, error }),
    }
}

fn named_file_error(error: LoadError, named_by: &'static str, path: &Path) -> LoadError {
    match error {
        LoadError::Unreadable { error, .. } if error.kind() == io::ErrorKind::NotFound => LoadError::MissingFile {
            named_by,
            path: path.to_owned(),
        },
        other => other,
    }
}

fn read_limited(origin: Origin, reader: &mut dyn Read) -> Result<String, LoadError> {
    let mut text = String::new();
    match reader.take(MAX_SOURCE_BYTES + 1).read_to_string(&mut text) {
        Ok(read) if read as u64 > MAX_SOURCE_BYTES => Err(LoadError::TooLarge {
            origin,
            limit_bytes: MAX_SOURCE_BYTES,
        }),
        Ok(_) => Ok(text),
        Err(error) => Err(LoadError::Unreadable { origin, error }),
    }
}

fn variable<'a>(variables: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    variables
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_os_str())
}

fn means_yes(value: &OsStr) -> bool {
    ["1", "true", "yes"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

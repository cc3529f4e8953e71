//! The server lives within `deploy/seccomp.json`: it starts, serves and stops under the list of system calls that containers
//! with that profile have.

use std::env::consts::ARCH;
use std::io;

use seccompiler::{BpfProgram, TargetArch, apply_filter, compile_from_json};
use serde_json::{Value, json};

use crate::support::DEADLINE;
use crate::support::process::Program;
use crate::support::wire::Wire;

const PROFILE: &str = include_str!("../../deploy/seccomp.json");

fn compiled(calls: &[Value]) -> Option<BpfProgram> {
    let filter =
        json!({"profile": {"mismatch_action": {"errno": libc::EPERM}, "match_action": "allow", "filter": calls}});
    let arch = TargetArch::try_from(ARCH).expect("an architecture that is served");
    let mut programs = compile_from_json(filter.to_string().as_bytes(), arch).ok()?;
    programs.remove("profile")
}

/// The system calls that this architecture has of those that a rule of the profile names.
fn calls(rule: &Value) -> Vec<Value> {
    let names = rule["names"].as_array().expect("names").iter();
    names
        .map(|name| match rule.get("args") {
            None => json!({"syscall": name}),
            Some(args) => {
                let arg = &args[0];
                let op = match arg["op"].as_str().expect("an operator") {
                    "SCMP_CMP_EQ" => json!("eq"),
                    "SCMP_CMP_MASKED_EQ" => json!({"masked_eq": arg["value"]}),
                    other => panic!("{other} is not known here"),
                };
                let val = if op == "eq" { &arg["value"] } else { &arg["valueTwo"] };
                let arg = json!({"index": arg["index"], "type": "qword", "op": op, "val": val});
                json!({"syscall": name, "args": [arg]})
            }
        })
        // Runtimes pass over names that the architecture has no call of, too.
        .filter(|call| compiled(std::slice::from_ref(call)).is_some())
        .collect()
}

#[test]
fn the_profile_for_containers_suffices() {
    let profile: Value = serde_json::from_str(PROFILE).expect("JSON");
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
    let rules = profile["syscalls"].as_array().expect("rules");
    let (allowed, denied): (Vec<_>, Vec<_>) = rules.iter().partition(|rule| rule["action"] == "SCMP_ACT_ALLOW");
    // To the C library it must be as if the call did not exist; this filter knows one errno only, so it is allowed here.
    assert_eq!(
        denied,
        [&json!({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": libc::ENOSYS})]
    );
    let mut list: Vec<_> = allowed.into_iter().flat_map(calls).collect();
    assert!(list.len() > 200, "{}", list.len());
    list.push(json!({"syscall": "clone3"}));
    let filter = compiled(&list).expect("each of them could be compiled");

    let program = Program::new(&["--port", "0", "--shards", "2"]);
    // SAFETY: it makes two system calls.
    let program = unsafe { program.prepared(move || apply_filter(&filter).map_err(|_| io::ErrorKind::Other.into())) };
    let server = program.serve();
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).expect("our child");
    assert!(status.contains("Seccomp:\t2"), "{status}");
    Wire::upgraded_to(server.address()).expect_served();
    let url = format!("http://{}", server.address());
    assert_eq!(Program::new(&["--health", &url]).output().status.code(), Some(0));
    server.signal(libc::SIGTERM);
    assert_eq!(server.wait(DEADLINE), Some(0));
}

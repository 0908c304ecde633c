//! Machines of a network of the test's own: network namespaces with one address each, joined by a bridge in
//! another namespace. Nothing of it is reachable from outside, and it goes with the test.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network of some machines, numbered from 1.
pub struct Network {
    name: String,
    nodes: Vec<File>,
}

impl Network {
    /// Whether one can be made here.
    pub fn find() -> Result<(), String> {
        let probe = format!("tilemill-probe-{}", std::process::id());
        ip(&["netns", "add", &probe])?;
        ip(&["netns", "del", &probe])
    }

    /// A network of so many machines. The calling thread, and what it starts, is on the first.
    pub fn start(nodes: u32) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut network =
            Self { name: format!("tm-{}-{number}", std::process::id()), nodes: Vec::new() };
        let hub = network.hub();
        done(&format!("netns add {hub}"));
        done(&format!("-n {hub} link add bridge up type bridge"));
        for node in 1..=nodes {
            let name = network.node(node);
            done(&format!("netns add {name}"));
            done(&format!("link add port{node} netns {hub} type veth peer name net netns {name}"));
            done(&format!("-n {hub} link set port{node} master bridge up"));
            done(&format!("-n {name} link set lo up"));
            done(&format!("-n {name} addr add {}/24 dev net", network.address(node)));
            done(&format!("-n {name} link set net up"));
            network.nodes.push(File::open(format!("/run/netns/{name}")).unwrap());
        }
        network.enter(1);
        network
    }

    fn hub(&self) -> String {
        format!("{}-hub", self.name)
    }

    fn node(&self, node: u32) -> String {
        format!("{}-{node}", self.name)
    }

    /// The address of a machine.
    #[expect(clippy::unused_self, reason = "addresses belong to a network")]
    pub fn address(&self, node: u32) -> String {
        format!("10.77.0.{node}")
    }

    fn enter(&self, node: u32) {
        let file = &self.nodes[node as usize - 1];
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }

    /// Does something on a machine: what is started there stays there.
    pub fn on<T>(&self, node: u32, work: impl FnOnce() -> T) -> T {
        self.enter(node);
        let result = work();
        self.enter(1);
        result
    }

    /// Pulls the cable of a machine.
    pub fn pull(&self, node: u32) {
        done(&format!("-n {} link set port{node} down", self.hub()));
    }

    /// Puts it in again.
    pub fn plug(&self, node: u32) {
        done(&format!("-n {} link set port{node} up", self.hub()));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for node in 1..=self.nodes.len() {
            let _ = ip(&["netns", "del", &self.node(u32::try_from(node).unwrap())]);
        }
        let _ = ip(&["netns", "del", &self.hub()]);
    }
}

fn done(line: &str) {
    ip(&line.split(' ').collect::<Vec<_>>()).unwrap();
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let ran = Command::new("ip").args(arguments).output();
    let ran = ran.map_err(|error| format!("ip does not start: {error}"))?;
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    if ran.status.success() { Ok(()) } else { Err(format!("ip {}: {said}", arguments.join(" "))) }
}

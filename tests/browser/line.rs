//! A connection that can break, or fall silent: between a browser and a server, in the hands of a test.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// Passes bytes on to a server until it is cut or held, and again once it is mended.
pub struct Line {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    mended: Condvar,
}

#[derive(Default)]
struct State {
    cut: bool,
    held: bool,
    streams: Vec<TcpStream>,
}

impl Line {
    pub fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let (server, all) = (server.to_owned(), Arc::clone(&shared));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut state = all.state.lock().unwrap();
                // A client that comes while the line is cut is hung up on.
                if !state.cut {
                    state.streams.extend(join(client, &server, &all).into_iter().flatten());
                }
            }
        });
        Self { address, shared }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Breaks all connections, and each new one at once.
    pub fn cut(&self) {
        let mut state = self.shared.state.lock().unwrap();
        state.cut = true;
        for stream in state.streams.drain(..) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets nothing through, and nobody know: as where a network has gone without a word.
    pub fn hold(&self) {
        self.shared.state.lock().unwrap().held = true;
    }

    pub fn mend(&self) {
        let mut state = self.shared.state.lock().unwrap();
        (state.cut, state.held) = (false, false);
        self.shared.mended.notify_all();
    }
}

/// Copies in both directions until one side ends. Returns both sides.
fn join(client: TcpStream, server: &str, shared: &Arc<Shared>) -> io::Result<[TcpStream; 2]> {
    let server = TcpStream::connect(server)?;
    let both = [client.try_clone()?, server.try_clone()?];
    for (mut from, mut to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            let _ = pass_on(&mut from, &mut to, &shared);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
    Ok(both)
}

fn pass_on(from: &mut TcpStream, to: &mut TcpStream, shared: &Shared) -> io::Result<()> {
    let mut bytes = [0; 16 << 10];
    loop {
        let many = from.read(&mut bytes)?;
        let state = shared.state.lock().unwrap();
        drop(shared.mended.wait_while(state, |state| state.held).unwrap());
        if many == 0 {
            return Ok(());
        }
        to.write_all(&bytes[..many])?;
    }
}

//! AWS from memory: the answers that LocalStack once gave, given again at once. What is left of a plan's time is kstack's own.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::proxy::{forward, read_request};

/// A server that asks LocalStack for what it has not been asked before. A request is known by its body: its head has the
/// time and a signature.
pub struct Replay {
    pub endpoint: String,
    answers: Arc<Mutex<HashMap<Vec<u8>, Vec<u8>>>>,
    /// Requests that were answered from memory.
    hits: Arc<Mutex<usize>>,
}

impl Replay {
    pub fn start() -> Replay {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let answers: Arc<Mutex<HashMap<Vec<u8>, Vec<u8>>>> = Arc::default();
        let hits: Arc<Mutex<usize>> = Arc::default();
        let (memory, count) = (Arc::clone(&answers), Arc::clone(&hits));
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let (memory, count) = (Arc::clone(&memory), Arc::clone(&count));
                thread::spawn(move || -> std::io::Result<()> {
                    let Some((head, body)) = read_request(&mut client)? else { return Ok(()) };
                    let known = memory.lock().expect("no panic").get(&body).cloned();
                    let answer = match known {
                        Some(answer) => {
                            *count.lock().expect("no panic") += 1;
                            answer
                        }
                        None => {
                            let answer = forward(&head, &body)?;
                            memory.lock().expect("no panic").insert(body, answer.clone());
                            answer
                        }
                    };
                    client.write_all(&answer)
                });
            }
        });
        Replay { endpoint, answers, hits }
    }

    /// How many requests were answered from memory since this was last asked.
    pub fn hits(&self) -> usize {
        std::mem::take(&mut *self.hits.lock().expect("no panic"))
    }

    /// The size of all answers in MiB.
    pub fn mib(&self) -> f64 {
        self.answers.lock().expect("no panic").values().map(Vec::len).sum::<usize>() as f64 / 1024.0 / 1024.0
    }
}

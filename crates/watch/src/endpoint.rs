//! Offers the watcher's metrics by HTTP.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tiny_http::{Header, Method, Response, Server};

use crate::exposition::CONTENT_TYPE;

/// The endpoint. Dropped, it ends.
pub struct Endpoint {
    server: Arc<Server>,
    text: Arc<Mutex<String>>,
    thread: Option<JoinHandle<()>>,
}

impl Endpoint {
    /// Listens on `address`.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on.
    pub fn open(address: SocketAddr) -> std::io::Result<Self> {
        let server = Server::http(address).map_err(std::io::Error::other)?;
        let server = Arc::new(server);
        let text = Arc::new(Mutex::new("# EOF\n".to_owned()));
        let (serving, shown) = (Arc::clone(&server), Arc::clone(&text));
        let thread = std::thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || serve(&serving, &shown))?;
        Ok(Self {
            server,
            text,
            thread: Some(thread),
        })
    }

    /// Where it listens: of port 0, the port that it got.
    pub fn address(&self) -> Option<SocketAddr> {
        self.server.server_addr().to_ip()
    }

    /// Shows this text from now on.
    pub fn show(&self, text: String) {
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.server.unblock();
        if let Some(thread) = self.thread.take() {
            // A defect there has been reported by its own message.
            let _ = thread.join();
        }
    }
}

fn serve(server: &Server, text: &Mutex<String>) {
    let content_type = Header::from_bytes("Content-Type", CONTENT_TYPE);
    // `None` when unblocked: the end.
    while let Ok(request) = server.recv() {
        let path = request.url().split('?').next().unwrap_or_default();
        let known = matches!(path, "/metrics" | "/");
        let answer = match request.method() {
            Method::Get | Method::Head if known => {
                let text = text.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let mut response = Response::from_string(text);
                if let Ok(header) = &content_type {
                    response.add_header(header.clone());
                }
                response
            }
            Method::Get | Method::Head => {
                Response::from_string("try /metrics\n").with_status_code(404)
            }
            _ => Response::from_string("only GET\n").with_status_code(405),
        };
        // Who hung up needs no answer.
        let _ = request.respond(answer);
    }
}

//! A server that answers every request after a fixed time, and does no work
//! of its own: what is measured is the client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A running server; it stops with the process.
pub struct SlowServer {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl SlowServer {
    /// Listens on any free port of this machine.
    pub fn start(latency: Duration) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let ids = Arc::new(AtomicU64::new(1));
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, latency, Arc::clone(&ids)));
            }
        });
        Self { address, _runtime: runtime }
    }

    /// `http://127.0.0.1:PORT`
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(mut stream: TcpStream, latency: Duration, ids: Arc<AtomicU64>) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let Some(request) = read_request(&mut stream, &mut buffer).await else { return };
        tokio::time::sleep(latency).await;
        let answer = answer(&request, &ids);
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The head of the next request; its body is read and forgotten.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            let total = end + 4 + length.unwrap_or(0);
            while buffer.len() < total {
                if stream.read_buf(buffer).await.ok()? == 0 {
                    return None;
                }
            }
            buffer.drain(..total);
            return Some(head);
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

fn answer(request: &str, ids: &AtomicU64) -> String {
    let (status, body) = if request.starts_with("GET /datadictionary/") {
        let field = |name: &str, kind: &str, required: bool| {
            format!("{{\"name\":\"{name}\",\"type\":\"{kind}\",\"required\":{required}}}")
        };
        let fields = [
            field("id", "number", false),
            field("name", "text", true),
            field("addressline", "textarea", false),
            field("addresscity", "text", false),
            field("phone", "text", false),
            field("inceptiondate", "date", false),
            field("annualvalue", "currency", false),
            field("notes", "memo", false),
        ];
        ("200 OK", format!("{{\"fields\":[{}]}}", fields.join(",")))
    } else {
        let id = ids.fetch_add(1, Ordering::Relaxed);
        let body = format!(
            "{{\"metadata\":{{\"url\":\"/accounts/{id}\",\"list_url\":\"/accounts\",\"parent\":null,\
             \"object_type\":\"record\",\"record_type\":\"account\"}},\"record\":{{\"id\":{id},\"name\":\"x\"}}}}"
        );
        ("201 Created", body)
    };
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
}

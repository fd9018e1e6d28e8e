//! A CRM without a network, for the simulation: requests travel, are stored
//! early, late or never, and their answers get lost, all on paused time and as
//! a seed says.
//!
//! What was sent goes on by itself: dropping the one who waits for the answer
//! does not call it back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value as Json, json};
use tokio::time::Instant;

use super::answer::{Answer, Cut};
use super::retry::Jitter;
use super::transport::{Method, Request, Sending, Transport};
use super::{BaseUrl, Client, ClientOptions, CrmError, Token};

/// Chances in a thousand, each request drawing once; and how late things come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    pub refused: u64,
    pub reset_before: u64,
    pub reset_after: u64,
    /// Stored after the client has given up.
    pub late: u64,
    pub error_before: u64,
    pub error_after: u64,
    pub limited: u64,
    pub truncated: u64,
    pub wrong: u64,
    /// Reads that fail with 503.
    pub read_error: u64,
    /// The longest that a late one takes behind the client's deadline.
    pub latest: Duration,
    /// How long new records are not seen by reads.
    pub lag: Duration,
    /// Questions with `$in` are refused, but for `id`.
    pub no_in: bool,
    /// The order asked for is ignored.
    pub no_order: bool,
}

/// A small generator whose sequence a seed decides (SplitMix64).
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// A number below `most`.
    pub fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % most.max(1)
    }
}

/// How long a client waits for an answer.
pub const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct SimulatedCrm {
    state: Mutex<State>,
    weather: Weather,
}

#[derive(Debug)]
struct State {
    dice: Dice,
    records: BTreeMap<u64, Stored>,
    /// What is on its way to be stored: when, in which order it was sent, what.
    pending: Vec<(Instant, usize, Write)>,
    sent: usize,
    /// What became of each write.
    done: BTreeMap<usize, Option<u64>>,
    next_id: u64,
}

#[derive(Clone, Debug)]
struct Stored {
    fields: Map<String, Json>,
    seen_from: Instant,
}

#[derive(Clone, Debug)]
enum Write {
    Create(Map<String, Json>),
    Update(u64, Map<String, Json>),
    Delete(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Fine,
    Refused,
    ResetBefore,
    ResetAfter,
    Late,
    ErrorBefore,
    ErrorAfter,
    Limited,
    Truncated,
    Wrong,
}

impl SimulatedCrm {
    pub fn new(seed: u64, weather: Weather) -> Arc<Self> {
        let state = State {
            dice: Dice::new(seed),
            records: BTreeMap::new(),
            pending: Vec::new(),
            sent: 0,
            done: BTreeMap::new(),
            next_id: 1_000,
        };
        Arc::new(Self { state: Mutex::new(state), weather })
    }

    /// A client of a new process.
    pub fn client(self: &Arc<Self>, seed: u64, change: impl FnOnce(&mut ClientOptions)) -> Client {
        let token = Token::new("simulated").unwrap();
        let mut options = ClientOptions::new(BaseUrl::parse("http://127.0.0.1:1").unwrap(), token);
        options.retries = 2;
        change(&mut options);
        Client::seeded(Arc::clone(self) as Arc<dyn Transport>, options, Jitter::seeded(seed))
    }

    /// Puts a record in place before anything begins; gives its id.
    pub fn plant(&self, fields: &Json) -> u64 {
        let mut state = self.state.lock().unwrap();
        state.store(Instant::now(), fields.as_object().unwrap().clone(), Duration::ZERO)
    }

    /// All records, after what was on its way has arrived.
    pub async fn settled(&self) -> BTreeMap<u64, Map<String, Json>> {
        tokio::time::sleep(TIMEOUT + self.weather.latest + Duration::from_secs(60)).await;
        let mut state = self.state.lock().unwrap();
        state.advance(Instant::now(), self.weather.lag);
        state.records.iter().map(|(id, stored)| (*id, stored.fields.clone())).collect()
    }

    fn fate(&self, dice: &mut Dice, method: Method) -> Fate {
        let w = &self.weather;
        let roll = dice.below(1_000);
        if method == Method::Get {
            return if roll < w.read_error { Fate::ErrorBefore } else { Fate::Fine };
        }
        let kinds = [
            (w.refused, Fate::Refused),
            (w.reset_before, Fate::ResetBefore),
            (w.reset_after, Fate::ResetAfter),
            (w.late, Fate::Late),
            (w.error_before, Fate::ErrorBefore),
            (w.error_after, Fate::ErrorAfter),
            (w.limited, Fate::Limited),
            (w.truncated, Fate::Truncated),
            (w.wrong, Fate::Wrong),
        ];
        let mut below = 0;
        for (chance, fate) in kinds {
            below += chance;
            if roll < below {
                return fate;
            }
        }
        Fate::Fine
    }

    /// Sends a request on its way; gives what becomes of it, its number, when
    /// it is answered, and whether the id of a late one is known by then.
    fn depart(&self, request: &Request) -> (Fate, usize, Instant) {
        let mut state = self.state.lock().unwrap();
        let state = &mut *state;
        let now = Instant::now();
        let fate = self.fate(&mut state.dice, request.method);
        let travel = Duration::from_millis(1 + state.dice.below(40));
        state.sent += 1;
        let number = state.sent;
        let stored = match fate {
            Fate::Refused | Fate::ResetBefore | Fate::ErrorBefore | Fate::Limited => None,
            Fate::Late => {
                let late =
                    Duration::from_millis(state.dice.below(1 + self.weather.latest.as_millis() as u64));
                Some(now + TIMEOUT + late)
            }
            _ => Some(now + travel),
        };
        if let (Some(at), Some(write)) = (stored, write_of(request)) {
            state.pending.push((at, number, write));
        }
        let answered = if fate == Fate::Late { now + TIMEOUT } else { now + travel + travel };
        (fate, number, answered)
    }

    fn answer(&self, request: &Request, number: usize) -> Answer {
        let mut state = self.state.lock().unwrap();
        let now = Instant::now();
        state.advance(now, self.weather.lag);
        if request.method == Method::Get {
            return state.read(request, now, &self.weather);
        }
        let found = state.done.get(&number).copied().flatten();
        match found.and_then(|id| Some((id, state.records.get(&id)?))) {
            _ if request.method == Method::Delete && found.is_some() => of(200, &json!({})),
            Some((id, stored)) => {
                of(if request.method == Method::Post { 201 } else { 200 }, &item(id, &stored.fields))
            }
            None => of(404, &json!({ "type": "Not found error", "message": "no such record" })),
        }
    }
}

impl Transport for SimulatedCrm {
    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a> {
        let (fate, number, answered) = self.depart(request);
        Box::pin(async move {
            tokio::time::sleep_until(answered).await;
            let lost = || Err(CrmError::ConnectionLost { why: "it was reset".into() });
            match fate {
                Fate::Fine => Ok(self.answer(request, number)),
                Fate::Refused => Err(CrmError::Unreachable { host: "crm".into(), why: "refused".into() }),
                Fate::ResetBefore | Fate::ResetAfter => lost(),
                Fate::Late => Err(CrmError::TimedOut { after: TIMEOUT }),
                Fate::ErrorBefore | Fate::ErrorAfter => {
                    // In different words, so that five in a row are no sign of anything.
                    Ok(of(500, &json!({ "message": format!("error {number}") })))
                }
                Fate::Limited => {
                    Ok(Answer { retry_after: Some(Duration::from_secs(1)), ..of(429, &json!({})) })
                }
                Fate::Truncated => Ok(Answer { cut: Some(Cut::Lost), ..self.answer(request, number) }),
                // A page in place of a refusal would say that the address is wrong.
                Fate::Wrong => Ok(match self.answer(request, number) {
                    answer @ Answer { status: 404, .. } => answer,
                    answer => Answer { body: b"<html>".to_vec(), ..answer },
                }),
            }
        })
    }
}

impl State {
    /// Stores what has arrived by now.
    fn advance(&mut self, now: Instant, lag: Duration) {
        self.pending.sort_by_key(|(at, number, _)| (*at, *number));
        let arrived = self.pending.partition_point(|(at, ..)| *at <= now);
        let arrived: Vec<_> = self.pending.drain(..arrived).collect();
        for (at, number, write) in arrived {
            let id = match write {
                Write::Create(fields) => Some(self.store(at, fields, lag)),
                Write::Update(id, fields) => self.records.get_mut(&id).map(|stored| {
                    stored.fields.extend(fields);
                    id
                }),
                Write::Delete(id) => self.records.remove(&id).map(|_| id),
            };
            self.done.insert(number, id);
        }
    }

    fn store(&mut self, at: Instant, fields: Map<String, Json>, lag: Duration) -> u64 {
        self.next_id += 1;
        self.records.insert(self.next_id, Stored { fields, seen_from: at + lag });
        self.next_id
    }

    fn read(&self, request: &Request, now: Instant, weather: &Weather) -> Answer {
        let url = reqwest::Url::parse(&format!("http://crm{}", request.path)).unwrap();
        let parameter = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value);
        if let Some(id) = url.path().strip_prefix("/accounts/") {
            let stored = self.records.get(&id.parse().unwrap()).filter(|stored| stored.seen_from <= now);
            return match stored {
                Some(stored) => of(200, &item(id.parse().unwrap(), &stored.fields)),
                None => of(404, &json!({ "message": "no such record" })),
            };
        }
        let q: Map<String, Json> =
            parameter("q").map(|q| serde_json::from_str(&q).unwrap()).unwrap_or_default();
        let refused =
            |(name, test): (&String, &Json)| weather.no_in && name != "id" && test.get("$in").is_some();
        if q.iter().any(refused) {
            return of(400, &json!({ "message": "no such operator" }));
        }
        let seen = self.records.iter().filter(|(_, stored)| stored.seen_from <= now);
        let mut found: Vec<(u64, &Stored)> =
            seen.filter(|(id, stored)| passes(&q, **id, &stored.fields)).map(|(id, s)| (*id, s)).collect();
        if parameter("order").is_some_and(|order| order.contains("desc")) && !weather.no_order {
            found.reverse();
        }
        let limit: usize = parameter("limit").map_or(10, |limit| limit.parse().unwrap());
        let page: usize = parameter("page").map_or(1, |page| page.parse().unwrap());
        let total = found.len();
        let skipped = (page.max(1) - 1) * limit;
        let list: Vec<Json> =
            found.iter().skip(skipped).take(limit).map(|(id, s)| item(*id, &s.fields)).collect();
        let has_more = skipped + list.len() < total;
        let metadata = json!({ "object_type": "list", "total_count": total, "has_more": has_more });
        of(200, &json!({ "metadata": metadata, "list": list }))
    }
}

fn write_of(request: &Request) -> Option<Write> {
    let body = || -> Map<String, Json> {
        request.body.as_deref().map(|body| serde_json::from_str(body).unwrap()).unwrap_or_default()
    };
    let id = || request.path.rsplit('/').next().and_then(|id| id.parse().ok());
    match request.method {
        Method::Get => None,
        Method::Post => Some(Write::Create(body())),
        Method::Patch => Some(Write::Update(id()?, body())),
        Method::Delete => Some(Write::Delete(id()?)),
    }
}

/// The few conditions that this program asks by.
fn passes(q: &Map<String, Json>, id: u64, fields: &Map<String, Json>) -> bool {
    q.iter().all(|(name, test)| {
        let id = json!(id);
        let value = if name == "id" { &id } else { fields.get(name).unwrap_or(&Json::Null) };
        match test {
            Json::Object(tests) => tests.iter().all(|(operator, wanted)| match operator.as_str() {
                "$in" => wanted.as_array().unwrap().iter().any(|one| text(one) == text(value)),
                "$gt" => value.as_u64() > wanted.as_u64(),
                other => panic!("the simulation does not know {other}"),
            }),
            wanted => text(wanted) == text(value),
        }
    })
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn item(id: u64, fields: &Map<String, Json>) -> Json {
    let mut record = fields.clone();
    record.insert("id".to_owned(), json!(id));
    json!({ "metadata": { "object_type": "record", "record_type": "account" }, "record": record })
}

fn of(status: u16, body: &Json) -> Answer {
    Answer { status, body: body.to_string().into_bytes(), ..Answer::default() }
}

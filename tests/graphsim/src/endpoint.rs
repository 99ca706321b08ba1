//! Any other API: replies that a test writes, at the addresses and for the tokens that it expects.

use serde_json::{Value, json};

use crate::World;
use crate::head::Head;
use crate::server::Answer;

/// One address of an API and what it answers.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Path and query, byte for byte.
    pub target: String,
    /// A header that must come, with its value; without it the answer is 401.
    pub header: Option<(&'static str, String)>,
    /// The HTTP status.
    pub status: u16,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Value,
}

impl Endpoint {
    /// Answers 200.
    pub fn new(target: &str, header: Option<(&'static str, String)>, body: Value) -> Self {
        Self { target: target.to_owned(), header, status: 200, headers: Vec::new(), body }
    }
}

/// Answers for the endpoint that is asked.
pub(crate) fn answer(world: &World, head: &Head) -> Answer {
    let mut endpoints = world.endpoints.lock().unwrap();
    let Some((endpoint, calls)) = endpoints.iter_mut().find(|(endpoint, _)| endpoint.target == head.target())
    else {
        return Answer::json(404, &json!({ "error": "there is no such endpoint" }));
    };
    *calls += 1;
    if endpoint.header.as_ref().is_some_and(|(name, value)| head.header(name) != Some(value.as_str())) {
        return Answer::json(401, &json!({ "error": "not authorized" }));
    }
    let mut answer = Answer::json(endpoint.status, &endpoint.body);
    answer.headers.extend(endpoint.headers.iter().cloned());
    answer
}

//! Calls and answers as they are on the wire: forms, and XML and JSON made of documents.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::support::proxy::{header, operation, signed};

/// A resource or an answer, with the names that AWS has for its fields. Fields that begin with `_` are the model's own.
pub type Doc = Map<String, Value>;

/// One call.
pub struct Request {
    pub operation: String,
    pub service: String,
    pub account: String,
    pub region: String,
    pub method: String,
    /// Without the query, and without percent signs.
    pub path: String,
    pub query: Form,
    /// The body's form, of the services that are asked by one.
    pub form: Form,
    /// The body as JSON, of the others; null where there is none.
    pub json: Value,
}

impl Request {
    pub fn read(head: &str, body: &[u8]) -> Request {
        let mut words = head.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let text = String::from_utf8_lossy(body);
        let is_form = header(head, "content-type").is_some_and(|kind| kind.contains("form-urlencoded"));
        Request {
            operation: operation(head, body),
            service: signed(head, 3).to_owned(),
            account: signed(head, 0).to_owned(),
            region: signed(head, 2).to_owned(),
            method: method.to_owned(),
            path: plain(path),
            query: Form::read(query),
            form: if is_form { Form::read(&text) } else { Form::default() },
            json: serde_json::from_str(&text).unwrap_or_default(),
        }
    }

    /// The ARN of something of this account and region.
    pub fn arn(&self, service: &str, rest: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{rest}", self.region, self.account)
    }
}

/// The pairs of a form or of a query.
#[derive(Debug, Default)]
pub struct Form(BTreeMap<String, String>);

impl Form {
    pub fn read(text: &str) -> Form {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        Form(pairs.map(|(key, value)| (plain(key), plain(value))).collect())
    }

    /// A value; an empty text where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A value, or nothing.
    pub fn maybe(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The names of all.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The values of `NAME.1`, `NAME.2` and so on.
    pub fn list(&self, name: &str) -> Vec<&str> {
        (1..).map_while(|number| self.maybe(&format!("{name}.{number}"))).collect()
    }

    /// `NAME.1.`, `NAME.2.` and so on, as far as something has that before its name.
    pub fn items(&self, name: &str) -> Vec<String> {
        let there = |item: &String| self.0.range(item.clone()..).next().is_some_and(|(key, _)| key.starts_with(item));
        (1..).map(|number| format!("{name}.{number}.")).take_while(there).collect()
    }

    /// The pairs of `KEY` and `VALUE` of each of the items of `name`, by these names.
    pub fn pairs(&self, name: &str, key: &str, value: &str) -> Vec<(String, String)> {
        let one = |item: String| {
            (self.get(&format!("{item}{key}")).to_owned(), self.get(&format!("{item}{value}")).to_owned())
        };
        self.items(name).into_iter().map(one).collect()
    }
}

/// Text without percent signs.
pub fn plain(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// How an answer is said, which depends on the service.
pub enum Answer {
    /// EC2's XML, with what is in it.
    Ec2(Doc),
    /// IAM's and STS's, of which some have no result.
    Query(Option<Doc>),
    Json(Value),
    Error(u16, String, String),
    /// An answer of LocalStack, as it came.
    Whole(Vec<u8>),
}

/// An error of AWS.
pub fn error(status: u16, code: &str, message: &str) -> Answer {
    Answer::Error(status, code.to_owned(), message.to_owned())
}

impl Answer {
    /// The answer over HTTP, and its status.
    pub fn bytes(self, asked: &Request) -> (u16, Vec<u8>) {
        const ID: &str = "00000000-0000-4000-8000-000000000000";
        let name = &asked.operation;
        let form = ["ec2", "iam", "sts"].contains(&asked.service.as_str());
        let mut errors = String::new();
        let (status, kind, text) = match self {
            Answer::Whole(bytes) => return (status(&bytes), bytes),
            Answer::Ec2(doc) => {
                let inner = xml(&doc, "item");
                let space = "http://ec2.amazonaws.com/doc/2016-11-15";
                let text =
                    format!("<{name}Response xmlns=\"{space}\">{inner}<requestId>{ID}</requestId></{name}Response>");
                (200, "text/xml", text)
            }
            Answer::Query(doc) => {
                let inner = doc.map(|doc| format!("<{name}Result>{}</{name}Result>", xml(&doc, "member")));
                let version = if asked.service == "sts" { "2011-06-15" } else { "2010-05-08" };
                let text = format!(
                    "<{name}Response xmlns=\"https://{}.amazonaws.com/doc/{version}/\">{}<ResponseMetadata><RequestId>{ID}</RequestId>\
                     </ResponseMetadata></{name}Response>",
                    asked.service,
                    inner.unwrap_or_default()
                );
                (200, "text/xml", text)
            }
            Answer::Json(value) => (200, "application/x-amz-json-1.1", value.to_string()),
            Answer::Error(status, code, message) if asked.service == "ec2" => {
                let error = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
                let text = format!("<Response><Errors>{error}</Errors><RequestID>{ID}</RequestID></Response>");
                (status, "text/xml", text)
            }
            Answer::Error(status, code, message) if form => {
                let error =
                    format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
                let text = format!("<ErrorResponse>{error}<RequestId>{ID}</RequestId></ErrorResponse>");
                (status, "text/xml", text)
            }
            Answer::Error(status, code, message) => {
                errors = format!("x-amzn-errortype: {code}\r\n");
                let text = serde_json::json!({"__type": code, "message": message}).to_string();
                (status, "application/x-amz-json-1.1", text)
            }
        };
        let (length, date) = (text.len(), jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT"));
        let head = format!(
            "HTTP/1.1 {status} Answer\r\nDate: {date}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nx-amzn-requestid: {ID}\r\n"
        );
        (status, format!("{head}{errors}\r\n{text}").into_bytes())
    }
}

/// The status of an answer.
pub fn status(answer: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(&answer[..answer.len().min(12)]).into_owned();
    text.rsplit(' ').next().and_then(|code| code.parse().ok()).unwrap_or_default()
}

/// A document as XML; the elements of its lists have the name `item`.
fn xml(doc: &Doc, item: &str) -> String {
    let mut out = String::new();
    for (name, value) in doc.iter().filter(|(name, _)| !name.starts_with('_')) {
        element(&mut out, name, value, item);
    }
    out
}

fn element(out: &mut String, name: &str, value: &Value, item: &str) {
    let _ = match value {
        Value::Null => Ok(()),
        Value::Object(doc) => write!(out, "<{name}>{}</{name}>", xml(doc, item)),
        Value::Array(all) => {
            let _ = write!(out, "<{name}>");
            all.iter().for_each(|one| element(out, item, one, item));
            write!(out, "</{name}>")
        }
        Value::String(text) => {
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            write!(out, "<{name}>{text}</{name}>")
        }
        other => write!(out, "<{name}>{other}</{name}>"),
    };
}

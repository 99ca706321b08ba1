//! The page itself.

use super::{Row, Site};
use crate::server::Answer;

const PAGE: &str = include_str!("page.html");
const ROW: &str = include_str!("row.html");
const OTHERS: &str = include_str!("others.html");
const OTHER: &str = include_str!("other.html");

/// `GET /`.
pub(super) fn answer(site: &Site) -> Answer {
    let rows: String = site.rows.iter().map(|row| render(site, row)).collect();
    let (proxy, cdn, others) = (&site.proxy_url, site.sim.cdn_url(), site.others.join(" "));
    let mut answer = Answer::new(200, "text/html; charset=utf-8", PAGE.replace("{{rows}}", &rows));
    let policy = format!(
        "default-src 'none'; img-src data: {cdn} {proxy} {others}; connect-src 'self'; script-src 'unsafe-inline'; \
         style-src 'unsafe-inline'"
    );
    answer.headers.push(("Content-Security-Policy", policy));
    // As most products have it; the CDN's addresses must not depend on a Referer anyway.
    answer.headers.push(("Referrer-Policy", "no-referrer".to_owned()));
    answer
}

fn render(site: &Site, row: &Row) -> String {
    let proxied = format!("{}/avatar/{}", site.proxy_url, row.shown.id);
    let proxied = escaped(&proxied);
    ROW.replace("{{id}}", &escaped(&row.shown.id))
        .replace("{{provider}}", &escaped(&row.shown.provider))
        .replace("{{direct}}", &escaped(&row.direct))
        .replace("{{proxied}}", &proxied)
        .replace("{{others}}", &others(site, row))
        .replace("{{name}}", &escaped(&row.shown.name))
}

/// The same avatar from the other instances; nothing where there is one.
fn others(site: &Site, row: &Row) -> String {
    if site.others.is_empty() {
        return String::new();
    }
    let all = site.others.iter().zip(2..).map(|(url, number)| {
        OTHER
            .replace("{{number}}", &number.to_string())
            .replace("{{address}}", &escaped(&format!("{url}/avatar/{}", row.shown.id)))
    });
    OTHERS.replace("{{all}}", &all.collect::<String>())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_place() {
        assert_eq!(escaped(r#""><script>&"#), "&quot;&gt;&lt;script&gt;&amp;");
    }
}

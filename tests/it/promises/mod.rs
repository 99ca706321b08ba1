//! README's table "What happens when": each row is written here, next to the tests that prove it.
//!
//! The times in a row come from `rules`, as do those in its tests. A changed rule fails the row's tests first, then
//! [`the_table_of_the_readme_is_the_one_that_is_proved`]. A row that exists only in the README fails that test too.

mod ages;
mod failures;
mod fault;
mod instances;
mod owner;
mod quotas;
mod refusals;
mod row;
pub(crate) mod rules;
mod stores;

use row::Row;

const README: &str = include_str!("../../../README.md");
const TITLE: &str = "## What happens when\n\n";

#[test]
fn the_table_of_the_readme_is_the_one_that_is_proved() {
    let rows: Vec<Row> = [
        ages::rows(),
        failures::rows(),
        quotas::rows(),
        refusals::rows(),
        owner::rows(),
        stores::rows(),
        instances::rows(),
    ]
    .concat();
    for row in &rows {
        assert!(!row.proofs.is_empty(), "nothing proves: {}", row.line());
    }
    let proved = "| situation | what viewers see | calls to the provider |\n|---|---|---|\n".to_owned()
        + &rows.iter().map(Row::line).collect::<String>();
    let after = README.split_once(TITLE).expect("README has the table").1;
    let written = after.split_once("\n\n").map_or(after, |(table, _)| table).to_owned() + "\n";
    assert!(written == proved, "README.md differs from the proved table:\n\n{proved}");
}

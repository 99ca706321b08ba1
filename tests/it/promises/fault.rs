//! A refresh that fails, and for how long the provider is left alone then.

use std::time::Duration;

use graphsim::Fault;

use super::rules::{SECOND, fresh_for};
use crate::support::accounts::Connected;
use crate::support::scene::{Scene, Shown};

/// After a refresh with this fault the provider is not called for `pause`; the last good picture is shown meanwhile.
pub(super) async fn fails_and_leaves_alone_for(whose: &Connected, fault: Fault, pause: Duration) {
    let scene = Scene::confirmed(whose, "").await;
    scene.wait(fresh_for());
    scene.api(fault);
    scene.sees(Shown::Picture, 1).await;
    scene.wait(pause - SECOND);
    let answer = scene.sees(Shown::Picture, 0).await;
    assert_eq!(answer.state(), "last-good");
    scene.wait(SECOND);
    scene.sees(Shown::Picture, 1).await;
}

/// Meta's error of that code.
pub(super) fn code(code: i64, subcode: Option<i64>) -> Fault {
    Fault::GraphError { status: 400, code, subcode, message: "An error of the stand-in".into() }
}

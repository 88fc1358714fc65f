//! `tenon explain`.

use tokio::net::TcpSocket;

use crate::common::{Host, Output, Scratch, output};

async fn explain(host: &Host, args: &[&str]) -> Output {
    let mut command = host.scratch().tenon(&["explain", "--url", host.address()]);
    command.args(args);
    output(command).await
}

#[tokio::test]
async fn it_says_who_provides_each_import() {
    let host = Host::with_plugins(&["crm", "analytics"]).await;
    let text = "analytics 1.0.0 — active\n  crm:contacts/contacts ^1.0.0  ->  crm 1.0.0 (exports 1.0.0)\n  \
                crm:deals/deals ^1.0.0  ->  crm 1.0.0 (exports 1.0.0)\n  reads crm.events  ->  crm\n";
    // In dev mode a request about no tenant is about `demo`, and over the socket it is about none.
    assert_eq!(explain(&host, &["analytics"]).await.success(), format!("For tenant demo:\n\n{text}"));
    let of_acme = explain(&host, &["analytics", "--tenant", "acme"]).await.success();
    assert_eq!(of_acme, format!("For tenant acme:\n\n{text}"));
    let mut command = host.scratch().tenon(&["explain", "crm", "--data"]);
    command.arg(host.scratch().data());
    let told = output(command).await.success();
    assert!(told.starts_with("Without a tenant, ") && told.ends_with("\n\ncrm 1.0.0 — active\n"), "{told}");
}

#[tokio::test]
async fn it_says_why_a_plugin_is_not_active() {
    let host = Host::with_plugins(&["analytics"]).await;
    let text = explain(&host, &["analytics"]).await.success();
    assert!(text.contains("\n\nanalytics 1.0.0 — inactive"), "{text}");
    assert!(text.contains("crm:contacts/contacts ^1.0.0") && text.contains("crm:deals/deals ^1.0.0"), "{text}");
}

#[tokio::test]
async fn the_host_can_be_named_by_a_variable() {
    let host = Host::with_plugins(&["crm"]).await;
    let mut command = host.scratch().tenon(&["explain", "crm"]);
    command.env("TENON_URL", format!("{}/", host.address()));
    assert!(output(command).await.success().ends_with("\n\ncrm 1.0.0 — active\n"));
}

#[tokio::test]
async fn it_passes_on_why_the_host_refuses() {
    let host = Host::with_plugins(&["crm"]).await;
    assert!(explain(&host, &["nope"]).await.failure().contains("there is no plugin `nope`"));
    assert!(explain(&host, &["crm", "--tenant", "Not One"]).await.failure().contains("\"Not One\" is not a tenant id"));
}

#[tokio::test]
async fn without_a_host_it_says_what_to_do() {
    let scratch = Scratch::with_plugins(&[]);
    // Taken, so that no other test's host gets it, and not listened on.
    let taken = TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = taken.local_addr().unwrap();
    let said = output(scratch.tenon(&["explain", "analytics", "--url", &format!("http://{address}")])).await;
    assert_eq!(said.status, Some(1), "{said:#?}");
    let told = said.failure();
    for part in [&address.to_string(), "tenon serve", "--url"] {
        assert!(told.contains(part), "expected {part}: {told}");
    }
}

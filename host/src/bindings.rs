//! The one home of generated bindings. What is generated stays within `runtime` and `capability`.

wasmtime::component::bindgen!({
    path: "../wit/tenon-host",
    world: "tenon:host/capabilities",
    imports: {
        "tenon:host/context": trappable,
        "tenon:host/sql": async | trappable,
    },
    with: {
        "tenon:host/sql.transaction": crate::capability::sql::TransactionHandle,
    },
    trappable_error_type: {
        "tenon:host/sql.error" => crate::capability::sql::SqlFault,
    },
});

//! The one home of generated bindings. What is generated stays within `runtime` and `capability`.

wasmtime::component::bindgen!({
    inline: "
        package tenon:bindings;

        world host {
            include tenon:host/capabilities@1.0.0;
            import wasi:config/store@0.2.0-rc.1;
            import wasi:logging/logging@0.1.0-draft;
            import wasi:keyvalue/store@0.2.0-draft;
            import wasi:keyvalue/atomics@0.2.0-draft;
            import wasi:keyvalue/batch@0.2.0-draft;
            import wasi:keyvalue/store@0.2.0-draft2;
            import wasi:keyvalue/atomics@0.2.0-draft2;
            import wasi:keyvalue/batch@0.2.0-draft2;
        }
    ",
    path: [
        "../wit/tenon-host",
        "../wit/wasi-config",
        "../wit/wasi-logging",
        "../wit/wasi-keyvalue-draft",
        "../wit/wasi-keyvalue",
    ],
    world: "tenon:bindings/host",
    imports: {
        "tenon:host/context": trappable,
        "tenon:host/sql": async | trappable,
        "tenon:host/events": async | trappable,
        "tenon:host/shared-data": async | trappable,
        "tenon:host/notifications": async | trappable,
        "wasi:config/store": trappable,
        "wasi:logging/logging": trappable,
        "wasi:keyvalue/store@0.2.0-draft": async | trappable,
        "wasi:keyvalue/atomics@0.2.0-draft": async | trappable,
        "wasi:keyvalue/batch@0.2.0-draft": async | trappable,
        "wasi:keyvalue/store@0.2.0-draft2": async | trappable,
        "wasi:keyvalue/atomics@0.2.0-draft2": async | trappable,
        "wasi:keyvalue/batch@0.2.0-draft2": async | trappable,
    },
    with: {
        "tenon:host/sql.transaction": crate::capability::sql::TransactionHandle,
        "wasi:keyvalue/store@0.2.0-draft.bucket": crate::capability::keyvalue::Bucket,
        "wasi:keyvalue/store@0.2.0-draft2.bucket": crate::capability::keyvalue::Bucket,
        "wasi:keyvalue/atomics@0.2.0-draft2.cas": crate::capability::keyvalue::Cas,
    },
    trappable_error_type: {
        "tenon:host/sql.error" => crate::capability::sql::SqlFault,
        "tenon:host/events.error" => crate::capability::events::EventFault,
        "tenon:host/shared-data.error" => crate::capability::shared_data::SharedDataFault,
        "tenon:host/notifications.error" => crate::capability::notifications::NotificationFault,
        "wasi:keyvalue/store@0.2.0-draft.error" => crate::capability::keyvalue::KeyvalueFault,
        "wasi:keyvalue/store@0.2.0-draft2.error" => crate::capability::keyvalue::KeyvalueFault,
        "wasi:keyvalue/atomics@0.2.0-draft2.cas-error" => crate::capability::keyvalue::SwapFault,
    },
});

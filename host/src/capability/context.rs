//! `tenon:host/context`: who the running call is for.

use std::time::Instant;

use wasmtime::component::{HasData, Linker};

use crate::bindings::tenon::host::context::{CallContext, Host};
use crate::fault;
use crate::id::RoleName;

/// The facts of the running call, borrowed from its store.
pub struct CallIdentity<'a> {
    pub tenant: &'a str,
    pub user: Option<&'a str>,
    pub workspace: Option<&'a str>,
    pub roles: &'a [RoleName],
    pub calling_plugin: Option<&'a str>,
    pub correlation_id: &'a str,
    pub depth: u8,
}

/// The capability's view of a store.
pub struct ContextView<'a> {
    pub call: CallIdentity<'a>,
    pub deadline: Instant,
}

impl Host for ContextView<'_> {
    fn get(&mut self) -> wasmtime::Result<CallContext> {
        fault::point("tenon:host/context.get");
        let call = &self.call;
        Ok(CallContext {
            tenant: call.tenant.to_string(),
            user: call.user.map(str::to_string),
            workspace: call.workspace.map(str::to_string),
            roles: call.roles.iter().map(ToString::to_string).collect(),
            calling_plugin: call.calling_plugin.map(str::to_string),
            correlation_id: call.correlation_id.to_string(),
            depth: call.depth,
        })
    }

    fn remaining(&mut self) -> wasmtime::Result<u64> {
        fault::point("tenon:host/context.remaining");
        let left = self.deadline.saturating_duration_since(Instant::now());
        Ok(u64::try_from(left.as_nanos()).unwrap_or(u64::MAX))
    }
}

/// Adds the interface to a linker whose stores can give a [`ContextView`].
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> ContextView<'_>,
) -> wasmtime::Result<()> {
    crate::bindings::tenon::host::context::add_to_linker::<T, HasContext>(linker, view)
}

struct HasContext;

impl HasData for HasContext {
    type Data<'a> = ContextView<'a>;
}

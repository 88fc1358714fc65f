//! What a plugin does as it comes and goes.

/// The steps that the host tells a plugin of. Each does nothing unless it is written; an error text stops the step and is
/// shown to operators. Exported by [`lifecycle!`](crate::lifecycle!).
///
/// What a step does must bear being done again: one that failed is called anew.
pub trait Lifecycle {
    /// Once in an installation, when the plugin is first loaded. There is no tenant, and so no data.
    fn on_install() -> Result<(), String> {
        Ok(())
    }

    /// When this version comes to a tenant, after its migrations and before its first call.
    fn on_activate() -> Result<(), String> {
        Ok(())
    }

    /// When the plugin is switched off for a tenant. Its data stays.
    fn on_deactivate() -> Result<(), String> {
        Ok(())
    }

    /// Before the plugin's last version is removed. There is no tenant, and so no data.
    fn on_uninstall() -> Result<(), String> {
        Ok(())
    }
}

/// Exports a type's [`Lifecycle`] as `tenon:plugin/lifecycle`. The plugin's own world need not speak of it; the crate
/// `wit-bindgen` must be among the plugin's dependencies, as it is for that world.
///
/// ```ignore
/// struct Crm;
///
/// impl tenon_plugin::Lifecycle for Crm {
///     fn on_activate() -> Result<(), String> {
///         // Rows that every tenant begins with.
///         Ok(())
///     }
/// }
///
/// tenon_plugin::lifecycle!(Crm);
/// ```
#[macro_export]
macro_rules! lifecycle {
    ($plugin:ident) => {
        mod tenon_lifecycle {
            use super::$plugin;

            ::wit_bindgen::generate!({
                inline: "
                    package tenon:plugin@1.0.0;

                    interface lifecycle {
                        on-install: func() -> result<_, string>;
                        on-activate: func() -> result<_, string>;
                        on-deactivate: func() -> result<_, string>;
                        on-uninstall: func() -> result<_, string>;
                    }

                    world with-lifecycle {
                        export lifecycle;
                    }
                ",
            });

            struct Exported;

            impl exports::tenon::plugin::lifecycle::Guest for Exported {
                fn on_install() -> Result<(), String> {
                    <$plugin as $crate::Lifecycle>::on_install()
                }

                fn on_activate() -> Result<(), String> {
                    <$plugin as $crate::Lifecycle>::on_activate()
                }

                fn on_deactivate() -> Result<(), String> {
                    <$plugin as $crate::Lifecycle>::on_deactivate()
                }

                fn on_uninstall() -> Result<(), String> {
                    <$plugin as $crate::Lifecycle>::on_uninstall()
                }
            }

            self::export!(Exported);
        }
    };
}

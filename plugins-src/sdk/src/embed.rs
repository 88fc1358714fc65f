//! The files a plugin carries, as custom sections of its `.wasm`.

/// Embeds the manifest, the migrations and the demo data, so that the built `.wasm` is all an operator needs.
///
/// Paths are relative to the source file that holds the call. Migrations run in the order of their names.
///
/// ```ignore
/// tenon_plugin::embed! {
///     manifest: "../plugin.json",
///     migrations: ["0001_contacts" => "../migrations/0001_contacts.sql"],
///     demo: "../demo.sql",
/// }
/// ```
///
/// The sections are `tenon:manifest`, `tenon:migration:<name>` and `tenon:demo`. Call it once in a plugin:
/// the linker joins sections of one name, and the host refuses what comes of that.
#[macro_export]
macro_rules! embed {
    (
        manifest: $manifest:literal
        $(, migrations: [$($name:literal => $migration:literal),* $(,)?])?
        $(, demo: $demo:literal)?
        $(,)?
    ) => {
        $crate::__section!("tenon:manifest", $manifest);
        $($($crate::__section!(concat!("tenon:migration:", $name), $migration);)*)?
        $($crate::__section!("tenon:demo", $demo);)?
    };
}

/// One file as one custom section. Only WebAssembly has sections that do not end up in memory, so a build
/// for another target, such as one for unit tests, leaves them out.
#[doc(hidden)]
#[macro_export]
macro_rules! __section {
    ($section:expr, $file:literal) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            #[used]
            #[unsafe(link_section = $section)]
            static CONTENT: [u8; include_bytes!($file).len()] = *include_bytes!($file);
        };
    };
}

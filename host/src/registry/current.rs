//! How the next snapshot comes about: of what was decided anew, or of what a look at the directory found.
//!
//! Whoever makes one holds the lock on the files to the end. Invariant: until it is made and written down the old one
//! stays, and what was decided since counts as not yet taken over, so that it is tried again.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::choices::Choices;
use super::claims::Records;
use super::settings::Settings;
use super::swap::{SwapError, Swaps};
use super::trust::{Policy, Versions};
use super::watch::notice::Hints;
use super::watch::{Files, Next, Occasion};
use super::{Loaded, Registry, RegistryError, Snapshot, changes, record, start};
use crate::db::DbError;
use crate::id::PluginId;

impl Registry {
    /// Takes over what was decided and written down since: a new snapshot of the same plugins.
    ///
    /// # Errors
    ///
    /// When the control plane cannot be read; the old decisions stay, until the host looks again by itself.
    pub async fn decide(&self) -> Result<(), DbError> {
        // Nobody makes another snapshot meanwhile.
        let mut files = self.files.lock().await;
        let (choices, revision) = self.choices().await?;
        self.set_current(self.snapshot().with_choices(choices));
        // What was refused because of a decision may run by this one.
        if self.snapshot().rejected().iter().any(|file| file.undecided.is_some()) {
            files.decide_anew();
        }
        self.decided.store(revision, Ordering::Relaxed);
        Ok(())
    }

    /// Takes over what is decided and does not count yet: by another process on the same database, or by this one when
    /// that could not be read.
    pub(super) async fn decide_as_others(&self) -> Result<(), DbError> {
        match self.control.decision_revision().await? == self.decided.load(Ordering::Relaxed) {
            true => Ok(()),
            false => self.decide().await,
        }
    }

    /// Looks at the directory now, without waiting for the next time it is due.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read or the control plane cannot be written; the old snapshot stays.
    pub(super) async fn look_now(&self) -> Result<(), RegistryError> {
        let preferred = self.files.lock().await.running();
        self.look(preferred, Occasion::Rescan, &Hints::default()).await
    }

    /// Takes a file for gone that the host has removed itself: no other look need miss it.
    ///
    /// # Errors
    ///
    /// As for a look. Then the next one makes up for it.
    pub(super) async fn removed(&self, file_name: &str) -> Result<(), RegistryError> {
        let mut files = self.files.lock().await;
        files.forget(file_name);
        let policy = self.policy(&mut files).await?;
        self.make_current(&mut files, policy.versions()).await
    }

    /// Only with the lock on the files, so that nobody makes another meanwhile.
    pub(super) fn set_current(&self, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        let before = {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, snapshot.clone())
        };
        // What was answered under another configuration, whoever has written it down.
        for (tenant, plugin) in snapshot.choices().settings().differing(before.choices().settings()) {
            self.runtime.invalidate(tenant, plugin);
        }
    }

    /// What is decided now, as of this revision. The revision is read first, so that nothing is missed that is decided
    /// meanwhile.
    async fn choices(&self) -> Result<(Choices, i64), DbError> {
        let control = &self.control;
        let revision = control.decision_revision().await?;
        let grants = if self.grants_all { None } else { Some(control.grant_list().await?) };
        let settings = Settings::read(control.config_list().await?, &self.seals);
        let choices = Choices::read(control.tenant_plugin_list().await?, control.rollout_list().await?, grants);
        Ok((choices.with_settings(settings), revision))
    }

    /// Looks at the directory, and makes a snapshot of what has changed there.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read or the control plane cannot be written; the old snapshot stays.
    pub(super) async fn look(
        &self,
        preferred: HashSet<String>,
        occasion: Occasion,
        hints: &Hints,
    ) -> Result<(), RegistryError> {
        let mut files = self.files.lock().await;
        let policy = Arc::new(self.policy(&mut files).await?);
        files
            .look((&self.loader, &policy), &self.directory, preferred, (occasion, hints))
            .await
            .map_err(|source| RegistryError::Directory { directory: self.directory.clone(), source })?;
        if files.is_stale() || occasion == Occasion::Start || self.snapshot().has_idle_stand_in() {
            self.make_current(&mut files, policy.versions()).await?;
        }
        if files.is_complete() {
            self.complete.send_replace(true);
        }
        Ok(())
    }

    /// Whom the host trusts now. Without an answer nothing is looked at: a key may have been removed.
    pub(super) async fn policy(&self, files: &mut Files) -> Result<Policy, RegistryError> {
        let keys = self.control.trusted_key_list().await?;
        files.trust(&keys);
        let versions =
            Versions::new(&self.control.highest_version_list().await?, self.control.kept_version_list().await?);
        Ok(Policy::new(self.trust.clone(), &keys, versions))
    }

    /// Makes a snapshot of the files and writes it down. Until both have succeeded the old one stays.
    async fn make_current(&self, files: &mut Files, versions: &Versions) -> Result<(), RegistryError> {
        let records = Records::new(self.control.claim_list().await?);
        let before = self.snapshot();
        let (choices, revision) = self.choices().await?;
        let (snapshot, next, undecided) = self.arrange(files, &records, &before, &choices).await;
        changes::log_overwritten(&next.claims, &records);
        changes::log_tolerated(&next.tolerated);
        let noted = versions.after(&snapshot.present(), &files.names());
        if noted != *versions {
            let (highest, kept) = noted.rows();
            // Before they run: should the host end in between, an older one is refused all the same.
            self.control.versions_note(highest, kept).await?;
        }
        let (known, refused) = (self.control.plugin_list().await?, self.control.rejected_file_list().await?);
        // What a file held when the host was stopped is not gone while the start goes on without it.
        let (awaited, known): (Vec<_>, Vec<_>) =
            known.into_iter().partition(|plugin| files.awaits(&plugin.file_name) && !changes::is_in(plugin, &snapshot));
        let audited = changes::audited(&known, &refused, &snapshot);
        let announced = changes::announced(&audited);
        self.control.registry_replace(record::of(&snapshot, awaited, next.claims, audited)).await?;
        changes::announce(&announced, self.runtime.announcements());
        self.lifecycle.forgive_due(snapshot.plugins());
        changes::log(&before, &snapshot);
        changes::log_withheld(&before, &snapshot);
        files.settle(&snapshot.by_file());
        if undecided {
            files.set_stale();
        }
        let kept: Vec<String> = snapshot.kept().iter().map(|kept| kept.plugin.code.clone()).collect();
        let stand_ins = snapshot.kept().iter().filter(|kept| kept.for_tenants);
        let stood_in_for: Vec<PluginId> = stand_ins.map(|kept| kept.plugin.key().id.clone()).collect();
        self.set_current(snapshot);
        // Until they have come, two versions take up memory.
        stood_in_for.iter().for_each(|plugin| self.settle_soon(plugin));
        self.decided.store(revision, Ordering::Relaxed);
        // Not before: whoever found one in the snapshot before this one would take it for staying.
        self.lifecycle.gone(&self.snapshot());
        self.loader.prune(files.hashes().into_iter().chain(kept).collect()).await;
        Ok(())
    }

    /// The next snapshot, with what is to be written down of it: all that may run by who came first, without those
    /// that would take the place of something that works and do not work themselves. Whether one of those could not be
    /// tried, and is to be later.
    async fn arrange(
        &self,
        files: &Files,
        records: &Records,
        before: &Snapshot,
        choices: &Choices,
    ) -> (Snapshot, Next, bool) {
        let limits = self.loader.limits();
        let next = |swaps: &Swaps<'_>| files.arrange(records, self.dev, limits, &swaps.refused);
        let snapshot = |swaps: &mut Swaps<'_>| {
            let Next { running, rejected, .. } = next(swaps);
            swaps.release(&running);
            let plugins = running.into_values().collect();
            let loaded = Loaded { plugins, kept: swaps.kept.clone(), rejected };
            Snapshot::new(loaded, choices.clone(), self.lifecycle.moves().clone())
        };
        let mut swaps = Swaps::new(before, limits.dependants, limits.versions);
        let mut undecided = false;
        loop {
            let settled = swaps.settle(&snapshot);
            let Some((file, error, passing)) = self.first_that_does_not_start(&swaps, &settled).await else {
                return (settled, next(&swaps), undecided);
            };
            swaps.refused.insert(file, error);
            undecided |= passing;
        }
    }

    async fn first_that_does_not_start(&self, swaps: &Swaps<'_>, next: &Snapshot) -> Option<(String, SwapError, bool)> {
        for (file, old, new) in swaps.replacing(next) {
            if let Err(failed) = start::try_start(&self.runtime, &new, next.default_view()).await {
                let (new, failure) = (new.key().clone(), failed.failure);
                return Some((file, SwapError::Start { old, new, failure }, failed.passing));
            }
        }
        None
    }
}

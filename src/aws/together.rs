//! Several stacks of a region that are planned at once: what AWS tells of all of them in one answer is asked once.

use std::any::{Any, TypeId};
use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ec2::types::{Filter, Tag};
use tokio::sync::OnceCell;

use super::{Aws, Class};
use crate::error::StepError;
use kstack_core::model::tag;
use kstack_core::stack::Stack;

/// Stacks that share their describes. EC2 takes 200 values of a filter, and a stack may name three instance types.
/// Source: Amazon EC2 API Reference, "DescribeInstances", 2026.
pub const AT_MOST: usize = 60;

/// A thing that was asked, and where its answer is, or will be.
type Answers = HashMap<(TypeId, String), Arc<dyn Any + Send + Sync>>;

/// What was asked once for all. An answer that is an error is not kept: who waited for it asks again.
#[derive(Default)]
pub struct Asked(Mutex<Answers>);

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asked")
    }
}

impl Asked {
    /// The answer of `ask` to what `key` and its type stand for: the first one's.
    ///
    /// # Errors
    /// The error of `ask`.
    pub async fn once<T, F>(&self, key: &str, ask: impl FnOnce() -> F) -> Result<Arc<T>, StepError>
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<T, StepError>>,
    {
        let cell = {
            let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || -> Arc<dyn Any + Send + Sync> { Arc::new(OnceCell::<Arc<T>>::new()) };
            Arc::clone(answers.entry((TypeId::of::<T>(), key.to_owned())).or_insert_with(new))
        };
        let cell = cell.downcast::<OnceCell<Arc<T>>>();
        let cell = cell.map_err(|_| StepError::Internal(format!("{key} was asked for another type")))?;
        cell.get_or_try_init(|| async { ask().await.map(Arc::new) }).await.cloned()
    }

    /// The same, and nothing where the caller may not ask for all: then each asks for its own.
    ///
    /// # Errors
    /// Another error of `ask`.
    pub async fn once_if_allowed<T, F>(&self, key: &str, ask: impl FnOnce() -> F) -> Result<Arc<Option<T>>, StepError>
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<T, StepError>>,
    {
        let ask = || async {
            match ask().await {
                Err(error) if error.class() == Class::Denied => Ok(None),
                answer => answer.map(Some),
            }
        };
        self.once(key, ask).await
    }
}

/// The stacks of one region, at most [`AT_MOST`].
#[derive(Debug)]
pub struct Together {
    names: BTreeSet<String>,
    /// The instance types that any of them names.
    types: BTreeSet<String>,
    /// The endpoint services that any of them names, by their full names.
    services: BTreeSet<String>,
    /// What was asked of their region.
    pub region: Asked,
    /// What was asked of the account, by the stacks of every region.
    pub account: Arc<Asked>,
}

impl Together {
    /// These `stacks` of one region. Those of all regions share `account`.
    pub fn of<'a>(stacks: impl Iterator<Item = &'a Stack>, account: Arc<Asked>) -> Together {
        let (mut names, mut types, mut services) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for stack in stacks {
            names.insert(stack.name.to_string());
            types.extend(super::facts::types_of(stack));
            services.extend(super::facts::services_of(stack).into_keys());
        }
        Together { names, types, services, region: Asked::default(), account }
    }

    /// The instance types to ask for by one that names `own`.
    pub fn types(&self, own: &[String]) -> Vec<String> {
        let mut all = self.types.clone();
        all.extend(own.iter().cloned());
        all.into_iter().collect()
    }

    /// The endpoint services that any of them names.
    pub fn services(&self) -> Vec<String> {
        self.services.iter().cloned().collect()
    }

    /// The filter for what is tagged with any of them.
    fn filter(&self) -> Filter {
        let names = self.names.iter().cloned().collect();
        Filter::builder().name(format!("tag:{}", tag::STACK)).set_values(Some(names)).build()
    }
}

impl Aws {
    /// What `list` tells by the filter that it is given: what is tagged with this stack, or with any in a discovery of all. Of stacks
    /// that are planned at once the list is one for all, and each gets its own of it, by its `tags`.
    ///
    /// # Errors
    /// The error of `list`.
    pub async fn listed<T, F>(
        &self,
        tags: fn(&T) -> &[Tag],
        list: impl FnOnce(Filter) -> F,
    ) -> Result<Vec<T>, StepError>
    where
        T: Clone + Send + Sync + 'static,
        F: Future<Output = Result<Vec<T>, StepError>>,
    {
        let Some(together) = &self.clients.together else { return list(self.mine()).await };
        let all = together.region.once("", || list(together.filter())).await?;
        let own =
            |one: &&T| tags(one).iter().any(|one| one.key() == Some(tag::STACK) && one.value() == Some(self.stack()));
        Ok(all.iter().filter(own).cloned().collect())
    }
}

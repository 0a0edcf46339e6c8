//! NeoBank's own ledger, alone and gathered.

use neobank_db::Database;
use neobank_domain::ledger::gather::GatherOptions;
use neobank_domain::{GatheredLedger, Ledger};

use crate::books::transfer;
use crate::error::BenchError;
use crate::load::Mover;
use crate::options::Options;

pub(crate) struct Single(Ledger);

impl Single {
    pub(crate) fn new(database: &Database, options: &Options) -> Self {
        Self(Ledger::new(database.clone()).remembering(options.remembered))
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.0.clone()
    }
}

impl Mover for Single {
    async fn transfer(&self, from: u32, to: u32, key: Option<String>) -> Result<(), BenchError> {
        self.0.transfer(transfer(from, to, key)?).await?;
        Ok(())
    }
}

pub(crate) struct Gathered(GatheredLedger, Ledger);

impl Gathered {
    pub(crate) fn new(database: &Database, options: &Options) -> Result<Self, BenchError> {
        let mut limits = GatherOptions::default();
        limits.group_size_max = options.group_size;
        limits.lanes = options.lanes;
        limits.waiting_max = 200_000;
        let ledger = Ledger::new(database.clone()).remembering(options.remembered);
        GatheredLedger::with_options(&ledger, limits)
            .map(|gathered| Self(gathered, ledger))
            .map_err(|error| BenchError::Option {
                option: error.limit,
                value: error.value.to_string(),
                wanted: "within the limits of gathering",
            })
    }

    pub(crate) fn ledger(&self) -> GatheredLedger {
        self.0.clone()
    }

    pub(crate) fn memory(&self) -> Ledger {
        self.1.clone()
    }
}

impl Mover for Gathered {
    async fn transfer(&self, from: u32, to: u32, key: Option<String>) -> Result<(), BenchError> {
        self.0.transfer(transfer(from, to, key)?).await?;
        Ok(())
    }
}

//! The figures of `/metrics` as metrics of OpenTelemetry, under the same names.

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;

use crate::metrics::{self, Kind, Sample};
use crate::state::ServiceState;

/// Exports the figures of a service, which are read at each export.
pub(super) fn observe(provider: &SdkMeterProvider, state: &ServiceState) {
    let meter = provider.meter(super::NAME);
    for family in metrics::families(state) {
        let state = state.clone();
        let name = family.name;
        let samples = move || {
            let families = metrics::families(&state).into_iter();
            let found = families.filter(move |family| family.name == name);
            found.flat_map(|family| family.samples)
        };
        // The instruments live as long as their provider.
        match family.kind {
            Kind::Counter => {
                let counter = meter.u64_observable_counter(name);
                let counter = counter.with_description(family.help);
                let counter = counter.with_callback(move |observer| {
                    for sample in samples() {
                        let value = u64::try_from(sample.value).unwrap_or_default();
                        observer.observe(value, &attributes(&sample));
                    }
                });
                let _ = counter.build();
            }
            Kind::Gauge => {
                let gauge = meter.i64_observable_gauge(name);
                let gauge = gauge.with_description(family.help);
                let gauge = gauge.with_callback(move |observer| {
                    for sample in samples() {
                        observer.observe(sample.value, &attributes(&sample));
                    }
                });
                let _ = gauge.build();
            }
        }
    }
}

fn attributes(sample: &Sample) -> Vec<KeyValue> {
    let labels = sample.labels.iter();
    let attributes = labels.map(|(name, value)| KeyValue::new(*name, value.clone()));
    attributes.collect()
}

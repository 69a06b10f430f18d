//! A second network that follows the first one slowly.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor, bail};

use crate::nn::{Embedder, Params};

/// A copy of a network, with its weights as they are now.
pub fn copy_of(embedder: &Embedder) -> Result<Embedder> {
    let (config, params) = (embedder.config(), &embedder.params);
    let copy =
        Params::from_tensors(params.seed(), params.dtype(), params.device(), &config.specs(), params.tensors()?)?;
    let mut twin = Embedder::with_params(config, copy)?;
    twin.compute_maps_in(embedder.maps());
    Ok(twin)
}

/// Moves the follower's trainable values to `keep` of themselves and `1 - keep` of the leader's. Running statistics are
/// left alone: the follower sees photos itself.
pub fn follow(follower: &Params, leader: &Params, keep: f64) -> Result<()> {
    for (name, var) in follower.trainable() {
        let Some(leading) = leader.get(name) else { bail!("`{name}` is nothing that the other network has") };
        let (own, other) = (var.as_detached_tensor(), leading.var.as_detached_tensor());
        var.set(&(own.affine(keep, 0.0)? + other.affine(1.0 - keep, 0.0)?)?)?;
    }
    Ok(())
}

/// Loads all of a set of variables; anything missing is an error.
pub fn load_all(params: &mut Params, tensors: &BTreeMap<String, Tensor>, what: &str) -> Result<()> {
    let report = params.load(tensors)?;
    if !report.is_clean() {
        bail!("the checkpoint's {what} does not fit this recipe ({report})");
    }
    Ok(())
}

//! Which hits of a ranking have tiles in the window, and where each photo stands.
//!
//! Worked out once a ranking, by whoever made it: a ranking of a whole gallery is too long to be looked through while a
//! frame is drawn.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Fold, FoldedAs, PhotoId, Ranking};

/// A ranking as a grid shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tiles {
    /// Places in the ranking of the hits that stand behind no other.
    order: Vec<u32>,
    /// Of each place, its tile among these; of a folded one, the tile that it stands behind.
    tile_of: Vec<u32>,
    /// The hits that stand behind a place, in the ranking's order.
    behind: HashMap<u32, Vec<u32>>,
    why: HashMap<u32, FoldedAs>,
    place_of: HashMap<PhotoId, u32>,
    /// Hits that were compared cell by cell.
    pub compared: usize,
    /// The score of a full bar.
    pub full: f64,
}

impl Tiles {
    pub fn of(ranking: &Ranking) -> Self {
        let hits = &ranking.hits;
        let mut tiles = Self { tile_of: vec![0; hits.len()], ..Self::default() };
        let mut is_folded = vec![false; hits.len()];
        for Fold { place, behind, why } in &ranking.shelf.folds {
            if let Some(folded) = is_folded.get_mut(*place) {
                *folded = true;
                tiles.behind.entry(*behind as u32).or_default().push(*place as u32);
                tiles.why.insert(*place as u32, *why);
            }
        }
        tiles.order.reserve(hits.len() - tiles.why.len());
        tiles.place_of.reserve(hits.len());
        for (place, hit) in hits.iter().enumerate() {
            tiles.compared += usize::from(hit.structural.is_some());
            tiles.full = tiles.full.max(f64::from(hit.score));
            tiles.place_of.insert(hit.photo.clone(), place as u32);
            if !is_folded[place] {
                tiles.tile_of[place] = tiles.order.len() as u32;
                tiles.order.push(place as u32);
            }
        }
        for (&leader, places) in &tiles.behind {
            for &place in places {
                tiles.tile_of[place as usize] = tiles.tile_of.get(leader as usize).copied().unwrap_or_default();
            }
        }
        if tiles.full <= 0.0 {
            tiles.full = 1.0;
        }
        tiles
    }

    /// The place of a photo in the ranking, from 0.
    pub fn place_of(&self, photo: &PhotoId) -> Option<usize> {
        self.place_of.get(photo).map(|&place| place as usize)
    }

    /// Its rank, from 1.
    pub fn rank_of(&self, photo: &PhotoId) -> Option<usize> {
        Some(self.place_of(photo)? + 1)
    }

    /// How many hits stand behind a place.
    pub fn behind(&self, place: usize) -> usize {
        self.members(place).len()
    }

    /// Why a place stands behind another.
    pub fn why(&self, place: usize) -> Option<FoldedAs> {
        self.why.get(&(place as u32)).copied()
    }

    /// The place that a place stands behind: its own where it is not folded.
    pub fn leader(&self, place: usize) -> usize {
        let tile = self.tile_of.get(place).copied().unwrap_or_default();
        self.order.get(tile as usize).map_or(place, |&leader| leader as usize)
    }

    fn members(&self, place: usize) -> &[u32] {
        self.behind.get(&(place as u32)).map_or(&[], Vec::as_slice)
    }
}

/// The tiles with some of the folded hits shown. What this costs goes with what was opened, not with the ranking.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    tiles: Arc<Tiles>,
    /// By their tiles.
    opened: Vec<Opened>,
}

/// A tile after which all that stands behind it is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Opened {
    /// Among the tiles with nothing opened.
    tile: usize,
    place: usize,
    /// Hits that are shown by those opened before it.
    before: usize,
}

impl Shown {
    /// `expanded`: photos whose folded ones are shown.
    pub fn of<'a>(tiles: Arc<Tiles>, expanded: impl IntoIterator<Item = &'a PhotoId>) -> Self {
        let leaders = expanded.into_iter().filter_map(|photo| tiles.place_of(photo));
        let leaders = leaders.filter(|&place| tiles.behind(place) > 0 && tiles.why(place).is_none());
        let opens = |place| Opened { tile: tiles.tile_of[place] as usize, place, before: 0 };
        let mut opened: Vec<Opened> = leaders.map(opens).collect();
        opened.sort_unstable_by_key(|opened| opened.tile);
        let mut before = 0;
        for opened in &mut opened {
            opened.before = before;
            before += tiles.behind(opened.place);
        }
        Self { tiles, opened }
    }

    pub fn tiles(&self) -> &Arc<Tiles> {
        &self.tiles
    }

    pub fn len(&self) -> usize {
        self.tiles.order.len() + self.opened.last().map_or(0, |last| self.through(last))
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Hits that are shown by this one and those opened before it.
    fn through(&self, opened: &Opened) -> usize {
        opened.before + self.tiles.behind(opened.place)
    }

    /// The place in the ranking of a tile.
    pub fn place(&self, tile: usize) -> Option<usize> {
        let after = self.opened.partition_point(|opened| opened.tile + opened.before < tile);
        let Some(opened) = after.checked_sub(1).map(|at| &self.opened[at]) else {
            return self.tiles.order.get(tile).map(|&place| place as usize);
        };
        let members = self.tiles.members(opened.place);
        let beyond = tile - (opened.tile + opened.before + 1);
        let place = members.get(beyond).or_else(|| self.tiles.order.get(tile - opened.before - members.len()));
        place.map(|&place| place as usize)
    }

    /// The tile of a place in the ranking, or that of the one it stands behind.
    pub fn tile(&self, place: usize) -> Option<usize> {
        let tile = *self.tiles.tile_of.get(place)? as usize;
        let before = self.opened.partition_point(|opened| opened.tile < tile);
        let shift = before.checked_sub(1).map_or(0, |at| self.through(&self.opened[at]));
        let opened = self.opened.get(before).filter(|opened| opened.tile == tile && opened.place != place);
        let within = opened
            .and_then(|opened| self.tiles.members(opened.place).iter().position(|&member| member as usize == place));
        Some(tile + shift + within.map_or(0, |at| at + 1))
    }

    /// Hits that are not shown.
    pub fn hidden(&self) -> usize {
        self.tiles.tile_of.len() - self.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::{CheckpointId, Hit, MatchOptions, ProductId, Shelf, Stage, Timings};

    fn ranking(hits: usize, folds: Vec<Fold>) -> Ranking {
        let hit = |at: usize| Hit {
            rank: at + 1,
            product: ProductId::new(format!("p{at}")),
            photo: PhotoId::new(format!("shop/{at}.jpg")),
            score: 0.9 - at as f32 * 0.01,
            global: 0.5,
            structural: at.is_multiple_of(3).then_some(0.4),
            global_rank: at + 1,
            iterations: 1,
            marginal_error: 0.0,
        };
        Ranking {
            stage: Stage::Structural,
            checkpoint: CheckpointId::new("a"),
            options: MatchOptions::default(),
            hits: (0..hits).map(hit).collect(),
            gallery_size: hits,
            timings: Timings::default(),
            shelf: Shelf { folds, ..Shelf::default() },
        }
    }

    fn fold(place: usize, behind: usize) -> Fold {
        Fold { place, behind, why: FoldedAs::SameProduct }
    }

    fn order(shown: &Shown) -> Vec<usize> {
        (0..shown.len()).map(|tile| shown.place(tile).unwrap()).collect()
    }

    #[test]
    fn folded_hits_have_no_tile_until_their_tile_is_expanded() {
        let ranking = ranking(6, vec![fold(2, 0), fold(3, 1), fold(5, 0)]);
        let tiles = Arc::new(Tiles::of(&ranking));
        let shown = Shown::of(Arc::clone(&tiles), &BTreeSet::new());
        assert_eq!(order(&shown), [0, 1, 4]);
        assert_eq!((shown.hidden(), tiles.behind(0), tiles.behind(1)), (3, 2, 1));
        assert_eq!((shown.tile(2), shown.tile(3), shown.tile(4), shown.tile(9)), (Some(0), Some(1), Some(2), None));
        assert_eq!((tiles.leader(5), tiles.leader(4), tiles.why(5)), (0, 4, Some(FoldedAs::SameProduct)));
        let shown = Shown::of(Arc::clone(&tiles), [&ranking.hits[0].photo]);
        assert_eq!(order(&shown), [0, 2, 5, 1, 4]);
        assert_eq!((shown.hidden(), shown.tile(5), shown.tile(3), shown.place(5)), (1, Some(2), Some(3), None));
        assert_eq!(tiles.compared, 2);
        assert_eq!(tiles.rank_of(&ranking.hits[4].photo), Some(5));
    }

    proptest! {
        /// Oracle: the tiles written down one after the other.
        #[test]
        fn tiles_are_those_of_walking_through_the_ranking(
            hits in 0usize..40,
            leaders in proptest::collection::vec(any::<proptest::sample::Index>(), 40),
            opened in proptest::collection::vec(any::<bool>(), 40),
        ) {
            // Some hits may stand behind an earlier one, which stands behind none.
            let folds: Vec<Fold> = (1..hits)
                .filter(|at| at % 3 == 2 || at % 7 == 1)
                .filter_map(|at| {
                    let behind = leaders[at].index(at);
                    let free = behind % 3 != 2 && behind % 7 != 1;
                    free.then(|| fold(at, behind))
                })
                .collect();
            let ranking = ranking(hits, folds.clone());
            let expanded: BTreeSet<PhotoId> =
                (0..hits).filter(|&at| opened[at]).map(|at| ranking.hits[at].photo.clone()).collect();
            let mut naive = Vec::new();
            for place in (0..hits).filter(|place| folds.iter().all(|fold| fold.place != *place)) {
                naive.push(place);
                if opened[place] {
                    naive.extend(folds.iter().filter(|fold| fold.behind == place).map(|fold| fold.place));
                }
            }
            let shown = Shown::of(Arc::new(Tiles::of(&ranking)), &expanded);
            prop_assert_eq!(order(&shown), naive.clone());
            prop_assert_eq!(shown.hidden(), hits - naive.len());
            for place in 0..hits {
                let leader = folds.iter().find(|fold| fold.place == place).map_or(place, |fold| fold.behind);
                let tile = naive.iter().position(|&at| at == place).or(naive.iter().position(|&at| at == leader));
                prop_assert_eq!(shown.tile(place), tile);
            }
        }
    }
}

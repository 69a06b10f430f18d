//! Jackets and coats.

use super::super::design::{Closure, Collar, Design, Hem, Kind, Pattern, Pockets};
use super::super::num::P;
use super::tops::{hood, zip};
use super::{
    Ink, Mark, Part, Pen, Role, across, bodice, buttons, flipped, inside, neck_of, patch, placket, point_collar,
    sleeve, trunk, underarm, welt,
};

pub fn parts(design: &Design) -> Vec<Part> {
    let cut = &design.cut;
    let ease = cut.ease;
    let hem = cut.length;
    let arm = underarm(cut);
    let belted = cut.closure == Closure::Belt;
    let long = design.kind == Kind::Coat;
    let width = move |y: f32| {
        let body = trunk(y.min(70.0)) + ease;
        let straight = arm[0] + 0.4;
        let flare = if long { (y - 55.0).max(0.0) * 0.07 } else { 0.0 };
        let closeness = if belted { 0.75 } else { 0.3 };
        straight + (body - straight).min(3.5) * closeness + flare
    };
    let mut body = Part::new(Role::Body, [0.0, 0.0], [0.0, 1.0], bodice(cut, hem, &width));
    if long {
        body.drape_from = 62.0;
    }
    let (_, depth) = neck_of(cut);
    let half = width(hem);
    if cut.hem == Hem::Ribbed {
        body.ribs.push((hem - 6.0, hem + 4.0));
        body.marks.push(Mark::Line(across(half, hem - 6.0), 0.5, Ink::Dark(0.26)));
    } else {
        let line = across(half + 2.0, hem - 3.0);
        body.marks.push(Mark::Line(line.clone(), 0.35, Ink::Dark(0.18)));
        body.marks.push(Mark::Stitch(line));
    }
    let metal = Ink::Paint([0.76, 0.62, 0.36]);
    match cut.collar {
        Collar::Point => trucker(design, &mut body, hem, depth, metal),
        _ => front(design, &mut body, hem, depth),
    }
    match cut.pockets {
        Pockets::Patch => {
            let y = (hem * 0.68).min(56.0);
            patch(&mut body, [11.0, y], 5.4, if long { 16.0 } else { 13.0 }, long);
            patch(&mut body, [-11.0, y], 5.4, if long { 16.0 } else { 13.0 }, long);
        }
        Pockets::Welt => {
            let y = (hem * 0.66).min(54.0);
            welt(&mut body, [13.6, y + 10.0], [10.6, y - 3.0], 2.4);
            welt(&mut body, [-10.6, y - 3.0], [-13.6, y + 10.0], 2.4);
        }
        _ => {}
    }
    if belted {
        belt(&mut body, width(41.0), Ink::Cloth(0.92));
    }
    match cut.collar {
        Collar::Lapel => lapels(&mut body, cut.closure == Closure::Double),
        Collar::Hood => hood(&mut body, true),
        Collar::Stand => {
            let stand =
                Pen::at(0.3, 5.2).curve([6.0, 2.6], [7.4, -3.0]).to(7.2, -8.6).curve([4.0, -2.4], [0.3, -1.2]).points();
            for points in [stand.clone(), flipped(&stand)] {
                body.marks.push(Mark::Fill(points.clone(), Ink::Cloth(1.05)));
                body.marks.push(Mark::Line(points.clone(), 0.5, Ink::Dark(0.34)));
                body.shapes.push(points);
            }
        }
        _ => {}
    }
    vec![inside(cut), body, sleeve(cut, -1), sleeve(cut, 1)]
}

/// The short jacket of denim or suede: yoke, two flapped pockets, two darts to the waistband.
fn trucker(design: &Design, body: &mut Part, hem: f32, depth: f32, metal: Ink) {
    for side in [-1.0, 1.0] {
        body.seam(vec![[0.0, 15.5], [side * 8.0, 15.8], [side * 18.0, 14.6]]);
        body.seam(vec![[side * 5.2, 24.0], [side * 4.0, hem - 6.0]]);
        body.seam(vec![[side * 11.2, 24.0], [side * 9.0, hem - 6.0]]);
    }
    patch(body, [8.4, 16.2], 4.3, 8.6, true);
    patch(body, [-8.4, 16.2], 4.3, 8.6, true);
    placket(body, depth - 1.0, hem + 1.5, 2.2);
    body.seam(across(24.0, hem - 5.0));
    let ink = if design.surface.pattern == Pattern::Denim { metal } else { Ink::Accent(1.0) };
    buttons(body, 0.0, depth + 3.5, hem, 8.6, 0.95, ink);
    point_collar(body, 4.4, Ink::Cloth(1.08));
}

fn front(design: &Design, body: &mut Part, hem: f32, depth: f32) {
    let dark = Ink::Paint([0.16, 0.13, 0.12]);
    let ink = if super::super::palette::luma(design.colour().named().rgb) < 0.3 {
        Ink::Paint([0.42, 0.3, 0.2])
    } else {
        dark
    };
    match design.cut.closure {
        Closure::Zip => zip(body, depth, hem + 1.0),
        Closure::Double => {
            body.marks.push(Mark::Line(
                vec![[-6.0, depth - 2.0], [-6.4, 60.0], [-6.0, hem + 1.0]],
                0.6,
                Ink::Dark(0.4),
            ));
            buttons(body, -3.4, depth + 5.0, (hem - 22.0).min(64.0), 11.0, 1.35, ink);
            buttons(body, 4.6, depth + 5.0, (hem - 22.0).min(64.0), 11.0, 1.35, ink);
        }
        closure => {
            body.marks.push(Mark::Line(vec![[-1.8, depth], [-1.9, hem * 0.6], [-1.2, hem + 1.0]], 0.6, Ink::Dark(0.4)));
            if closure == Closure::Buttons {
                let gap = if hem > 80.0 { 13.0 } else { 10.0 };
                buttons(body, 0.6, depth + 3.0, (hem - 8.0).min(72.0), gap, 1.25, ink);
            }
        }
    }
}

/// Notched lapels rolled over the chest.
fn lapels(body: &mut Part, wide: bool) {
    let reach = if wide { 13.0 } else { 11.0 };
    let lapel = Pen::at(-0.6, 25.0)
        .curve([4.4, 11.0], [7.4, -3.2])
        .to(9.2, 1.6)
        .to(reach, 4.6)
        .to(reach + 0.6, 8.4)
        .curve([6.4, 16.0], [-0.6, 25.0])
        .points();
    let collar = Pen::at(7.0, -3.6)
        .curve([7.4, -6.4], [5.6, -7.6])
        .to(8.2, -6.2)
        .curve([10.8, -3.6], [12.6, 1.4])
        .to(9.0, 2.4)
        .to(7.0, -3.6)
        .points();
    for side in [1.0f32, -1.0] {
        for (points, bright) in [(&lapel, 1.07), (&collar, 1.02)] {
            let points: Vec<P> = points.iter().map(|p| [p[0] * side, p[1]]).collect();
            body.marks.push(Mark::Fill(points.iter().map(|p| [p[0] * 1.03, p[1] + 1.0]).collect(), Ink::Dark(0.3)));
            body.marks.push(Mark::Fill(points.clone(), Ink::Cloth(bright)));
            body.marks.push(Mark::Line(points.clone(), 0.45, Ink::Dark(0.36)));
            body.shapes.push(points);
        }
    }
}

/// A tied belt at the waist.
pub fn belt(body: &mut Part, half: f32, ink: Ink) {
    let (top, foot) = (39.0, 43.4);
    let band = vec![
        [-half - 2.0, top - 0.4],
        [0.0, top + 0.6],
        [half + 2.0, top - 0.4],
        [half + 2.0, foot - 0.4],
        [0.0, foot + 0.6],
        [-half - 2.0, foot - 0.4],
    ];
    body.marks.push(Mark::Fill(band.iter().map(|p| [p[0], p[1] + 0.9]).collect(), Ink::Dark(0.3)));
    body.marks.push(Mark::Fill(band.clone(), ink));
    body.marks.push(Mark::Line(vec![band[0], band[1], band[2]], 0.4, Ink::Dark(0.36)));
    body.marks.push(Mark::Line(vec![band[5], band[4], band[3]], 0.4, Ink::Dark(0.36)));
    let tail = vec![[1.0, 41.0], [5.6, 57.0], [2.2, 58.4], [-1.6, 42.0]];
    body.marks.push(Mark::Fill(tail.iter().map(|p| [p[0] + 0.6, p[1] + 0.6]).collect(), Ink::Dark(0.26)));
    body.marks.push(Mark::Fill(tail, ink));
    let knot = vec![[-2.4, 39.4], [2.4, 39.0], [2.9, 44.0], [-2.0, 44.4]];
    body.marks.push(Mark::Fill(knot.clone(), Ink::Light(0.06)));
    body.marks.push(Mark::Line(knot, 0.5, Ink::Dark(0.36)));
}

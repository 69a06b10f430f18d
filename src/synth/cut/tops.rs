//! T-shirts, shirts, blouses, knits and hoodies.

use super::super::design::{Closure, Collar, Design, Hem, Kind, Neck, Pockets};
use super::super::num::P;
use super::{
    Ink, Mark, Part, Pen, Role, across, bodice, buttons, flipped, inside, neck_band, neck_of, patch, placket,
    point_collar, sleeve, trunk, underarm,
};

pub fn parts(design: &Design) -> Vec<Part> {
    let cut = &design.cut;
    let ease = cut.ease;
    let arm = underarm(cut);
    // Loose tops hang from the chest; close ones follow the waist.
    let width = move |y: f32| {
        let body = trunk(y) + ease * 0.8;
        let hanging = arm[0] + (y - arm[1]) * 0.01;
        let loose = ((ease - 1.0) / 5.0).clamp(0.15, 0.95);
        body + (hanging.max(body * 0.9) - body) * loose
    };
    let hem = cut.length;
    let mut body = Part::new(Role::Body, [0.0, 0.0], [0.0, 1.0], bodice(cut, hem, &width));
    let half = width(hem);
    if cut.hem == Hem::Ribbed {
        body.ribs.push((hem - 5.5, hem + 4.0));
        body.marks.push(Mark::Line(across(half, hem - 5.5), 0.4, Ink::Dark(0.22)));
    } else if cut.hem == Hem::Ruffle {
        let line = across(half + 1.0, hem - 9.0);
        body.marks.push(Mark::Line(line, 0.6, Ink::Dark(0.3)));
        for step in -9i8..=9 {
            let x = f32::from(step) * half / 9.5;
            body.marks.push(Mark::Line(vec![[x, hem - 8.6], [x * 1.03, hem - 1.0]], 0.7, Ink::Dark(0.12)));
            body.marks.push(Mark::Line(vec![[x + 0.8, hem - 8.6], [x * 1.03 + 0.9, hem - 1.0]], 0.5, Ink::Light(0.10)));
        }
    } else if cut.hem == Hem::Straight {
        let line = across(half + 2.0, hem - 2.0);
        body.marks.push(Mark::Line(line.clone(), 0.3, Ink::Dark(0.16)));
        body.marks.push(Mark::Stitch(line));
    }
    let (_, depth) = neck_of(cut);
    match design.kind {
        Kind::TShirt => {
            neck_band(cut, &mut body, 1.9, Ink::Cloth(0.93));
            if cut.pockets == Pockets::Chest {
                patch(&mut body, [7.6, 17.0], 4.4, 9.5, false);
            }
        }
        Kind::Shirt => shirt(design, &mut body, hem, depth),
        Kind::Blouse => blouse(design, &mut body, hem, depth),
        Kind::Knit => {
            if cut.neck == Neck::High {
                // The turned-down collar of a roll neck.
                let roll = Pen::at(0.0, -8.4)
                    .curve([5.0, -8.8], [6.9, -9.6])
                    .curve([8.4, -6.0], [8.9, -1.6])
                    .curve([5.0, 1.6], [0.0, 1.9])
                    .mirrored();
                body.marks.push(Mark::Fill(roll.iter().map(|p| [p[0], p[1] + 0.9]).collect(), Ink::Dark(0.28)));
                body.marks.push(Mark::Fill(roll.clone(), Ink::Cloth(1.03)));
                for step in -5i8..=5 {
                    let x = f32::from(step) * 1.45;
                    body.marks.push(Mark::Line(vec![[x * 0.86, -8.0], [x, 1.2]], 0.3, Ink::Dark(0.16)));
                }
                body.shapes.push(roll);
            } else {
                neck_band(cut, &mut body, 2.6, Ink::Cloth(0.9));
            }
            if cut.closure == Closure::Buttons && cut.neck != Neck::High {
                placket(&mut body, depth + 1.0, hem + 1.0, 2.0);
                buttons(&mut body, 0.0, depth + 4.0, hem - 2.0, 8.5, 0.95, Ink::Accent(1.0));
            }
        }
        _ => hoodie(design, &mut body, hem),
    }
    let mut parts = Vec::new();
    if cut.neck != Neck::High {
        parts.push(inside(cut));
    }
    parts.push(body);
    if cut.sleeve > 0.0 {
        parts.push(sleeve(cut, -1));
        parts.push(sleeve(cut, 1));
    }
    parts
}

fn shirt(design: &Design, body: &mut Part, hem: f32, depth: f32) {
    let cut = &design.cut;
    // The yoke seam falls from the shoulder.
    for side in [-1.0, 1.0] {
        body.seam(vec![[side * 7.8, 3.0], [side * 12.5, 4.6], [side * 17.0, 7.0]]);
    }
    placket(body, depth - 1.0, hem + 2.0, 1.9);
    buttons(body, 0.0, depth + 3.0, hem - 1.0, 9.5, 0.75, Ink::Paint([0.95, 0.94, 0.9]));
    match cut.pockets {
        Pockets::Chest => patch(body, [8.4, 17.0], 4.6, 10.5, false),
        Pockets::TwoChest => {
            patch(body, [8.6, 17.0], 4.4, 10.0, true);
            patch(body, [-8.6, 17.0], 4.4, 10.0, true);
        }
        _ => {}
    }
    if cut.collar == Collar::Point {
        point_collar(body, 3.0, Ink::Cloth(1.05));
    } else {
        let band =
            Pen::at(0.2, 8.2).curve([6.4, 4.6], [7.4, -3.4]).to(6.9, -5.4).curve([4.6, 2.4], [0.2, 4.6]).points();
        for points in [band.clone(), flipped(&band)] {
            body.marks.push(Mark::Fill(points.clone(), Ink::Cloth(1.05)));
            body.marks.push(Mark::Line(points.clone(), 0.4, Ink::Dark(0.3)));
            body.shapes.push(points);
        }
    }
}

fn blouse(design: &Design, body: &mut Part, hem: f32, depth: f32) {
    let cut = &design.cut;
    if cut.closure == Closure::Buttons {
        placket(body, depth, hem + 2.0, 1.3);
        buttons(body, 0.0, depth + 2.5, hem - 2.0, 6.0, 0.6, Ink::Second(1.0));
    } else {
        // Gathers below the yoke.
        for step in -5i8..=5 {
            let x = f32::from(step) * 2.1;
            let top = depth + 2.0 + x.abs() * 0.1;
            body.marks.push(Mark::Line(vec![[x, top], [x * 1.15, top + 9.0]], 0.5, Ink::Dark(0.12)));
        }
    }
    match cut.collar {
        Collar::Round => {
            let (side, _) = neck_of(cut);
            let leaf = Pen::at(0.4, depth + 0.2)
                .curve([side[0] * 0.8, depth * 0.7], side)
                .to(side[0] + 2.4, side[1] + 1.0)
                .curve([side[0] + 5.0, depth * 0.5 + 5.0], [side[0] * 0.6, depth + 6.0])
                .curve([1.0, depth + 6.0], [0.4, depth + 0.2])
                .points();
            for points in [leaf.clone(), flipped(&leaf)] {
                body.marks.push(Mark::Fill(points.iter().map(|p| [p[0], p[1] + 0.7]).collect(), Ink::Dark(0.24)));
                body.marks.push(Mark::Fill(points.clone(), Ink::Second(1.04)));
                body.marks.push(Mark::Line(points, 0.35, Ink::Dark(0.25)));
            }
        }
        Collar::Bow => {
            neck_band(cut, body, 1.6, Ink::Cloth(0.92));
            let y = depth + 1.0;
            for side in [-1.0f32, 1.0] {
                let tail = vec![
                    [0.0, y],
                    [side * 2.2, y + 4.0],
                    [side * 5.4, y + 19.0],
                    [side * 1.6, y + 18.0],
                    [0.0, y + 3.0],
                ];
                let loop_ = vec![
                    [0.0, y],
                    [side * 4.0, y - 3.6],
                    [side * 8.4, y - 2.4],
                    [side * 8.0, y + 2.8],
                    [side * 4.0, y + 2.4],
                ];
                for points in [tail, loop_] {
                    body.marks.push(Mark::Fill(points.iter().map(|p| [p[0], p[1] + 0.8]).collect(), Ink::Dark(0.25)));
                    body.marks.push(Mark::Fill(points.clone(), Ink::Cloth(1.07)));
                    body.marks.push(Mark::Line(points, 0.35, Ink::Dark(0.3)));
                }
            }
            body.marks.push(Mark::Disc([0.0, y + 0.2], 1.7, Ink::Cloth(0.9)));
        }
        _ => neck_band(cut, body, 1.2, Ink::Cloth(0.96)),
    }
}

fn hoodie(design: &Design, body: &mut Part, hem: f32) {
    let cut = &design.cut;
    if cut.pockets == Pockets::Kangaroo {
        let (top, foot) = (hem - 26.0, hem - 6.2);
        let pouch: Vec<P> = Pen::at(0.0, top)
            .to(8.0, top)
            .curve([9.0, top + 8.0], [13.0, top + 11.0])
            .to(13.0, foot)
            .to(0.0, foot)
            .mirrored();
        body.marks.push(Mark::Line(pouch.iter().map(|p| [p[0] * 1.03, p[1] + 0.7]).collect(), 1.3, Ink::Dark(0.14)));
        body.marks.push(Mark::Fill(pouch.clone(), Ink::Light(0.05)));
        body.marks.push(Mark::Line(pouch, 0.5, Ink::Dark(0.3)));
        for side in [-1.0, 1.0] {
            body.marks.push(Mark::Line(
                vec![[side * 8.0, top], [side * 9.6, top + 7.0], [side * 13.0, top + 11.0]],
                0.9,
                Ink::Dark(0.34),
            ));
        }
    }
    if cut.closure == Closure::Zip {
        zip(body, 8.0, hem + 1.0);
    }
    hood(body, cut.closure == Closure::Zip);
}

/// A zip: dark tape, bright teeth, a pull.
pub fn zip(body: &mut Part, from: f32, to: f32) {
    body.marks.push(Mark::Line(vec![[0.0, from], [0.0, to]], 2.0, Ink::Dark(0.3)));
    body.marks.push(Mark::Line(vec![[0.0, from], [0.0, to]], 0.8, Ink::Paint([0.78, 0.79, 0.8])));
    body.marks.push(Mark::Line(vec![[0.0, from + 1.0], [0.6, from + 4.5]], 1.0, Ink::Paint([0.62, 0.63, 0.65])));
}

/// A hood that lies behind the neck and closes in front.
pub fn hood(body: &mut Part, open: bool) {
    let outer = Pen::at(0.0, 9.6)
        .curve([8.0, 8.0], [12.4, 0.8])
        .curve([14.6, -6.0], [9.6, -9.4])
        .curve([8.6, -5.2], [8.0, -3.4])
        .curve([6.8, 5.2], [0.0, 6.6])
        .mirrored();
    body.marks.push(Mark::Fill(outer.iter().map(|p| [p[0], p[1] + 1.1]).collect(), Ink::Dark(0.3)));
    body.marks.push(Mark::Fill(outer.clone(), Ink::Cloth(1.04)));
    body.marks.push(Mark::Line(outer.clone(), 0.5, Ink::Dark(0.32)));
    body.shapes.push(outer);
    for side in [-1.0, 1.0] {
        body.marks.push(Mark::Line(
            vec![[side * 8.6, -4.0], [side * 7.0, 4.0], [side * 2.0, 8.2]],
            0.7,
            Ink::Dark(0.2),
        ));
        if !open {
            let cord = vec![[side * 3.0, 7.4], [side * 3.5, 13.0], [side * 3.2, 19.0]];
            body.marks.push(Mark::Line(cord.iter().map(|p| [p[0] + 0.5, p[1] + 0.4]).collect(), 0.9, Ink::Dark(0.3)));
            body.marks.push(Mark::Line(cord, 0.8, Ink::Paint([0.93, 0.92, 0.88])));
        }
    }
}

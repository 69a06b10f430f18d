//! Trousers and shorts: two legs that meet in the middle of the front.

use super::super::design::{Closure, Design, Hem, Kind, Pattern, Pockets, Shape};
use super::super::num::{P, table};
use super::{Ink, Mark, Part, Pen, Role, flipped, patch, trunk};

/// Where the dummy's legs hang from, and which way they point.
pub const HIP: P = [8.6, 60.0];

const TOP: f32 = 39.0;
const CROTCH: f32 = 70.0;

pub fn parts(design: &Design) -> Vec<Part> {
    vec![leg(design, -1), leg(design, 1)]
}

fn leg(design: &Design, side: i8) -> Part {
    let cut = &design.cut;
    let hem = TOP + cut.length;
    let ease = cut.ease;
    let (knee, foot) = match cut.shape {
        Shape::Slim => (6.8, 5.4),
        Shape::Wide => (11.5, 13.0),
        Shape::Flared => (7.8, 12.0),
        Shape::Tapered => (9.4, 5.8),
        Shape::Relaxed => (10.5, 9.6),
        _ => (8.4, 7.6),
    };
    let middle = |y: f32| table(&[(CROTCH, 9.0), (98.0, 9.6), (138.0, 10.2)], y);
    let half = |y: f32| table(&[(CROTCH, 9.2 + ease * 0.5), (98.0, knee + ease * 0.4), (138.0, foot)], y);
    let outer = |y: f32| {
        if y < CROTCH {
            (trunk(y) + ease * table(&[(TOP, 0.15), (60.0, 0.8)], y)).max(13.4)
        } else {
            middle(y) + half(y)
        }
    };
    let inner = |y: f32| (middle(y) - half(y)).max(0.4);
    let mut pen = Pen::at(-0.5, TOP + 1.0).to(13.6 + ease * 0.2, TOP);
    let mut y = TOP + 5.0;
    while y < hem - 1.0 {
        pen = pen.to(outer(y), y);
        y += 4.0;
    }
    let (out, inn) = (outer(hem), inner(hem));
    pen = pen.to(out, hem).curve([(out + inn) / 2.0, hem + 1.2], [inn, hem]);
    y = hem - 4.0;
    while y > CROTCH + 2.0 {
        pen = pen.to(inner(y), y);
        y -= 4.0;
    }
    let outline = pen.curve([0.2, CROTCH], [-0.5, CROTCH - 3.0]).points();
    let sign = f32::from(side);
    let outline = if side < 0 { flipped(&outline) } else { outline };
    let mut part = Part::new(Role::Leg(side), [HIP[0] * sign, HIP[1]], [0.0, 1.0], outline);
    let m = |points: &[P]| -> Vec<P> { points.iter().map(|p| [p[0] * sign, p[1]]).collect() };
    // Waistband, loops, side pocket, fly.
    part.marks.push(Mark::Fill(
        m(&[[-1.0, TOP - 1.0], [20.0, TOP - 1.0], [20.0, TOP + 4.2], [-1.0, TOP + 4.8]]),
        Ink::Cloth(0.95),
    ));
    part.seam(m(&[[-1.0, TOP + 4.8], [8.0, TOP + 4.6], [18.0, TOP + 4.0]]));
    if cut.closure == Closure::None {
        for step in 0i8..12 {
            let x = f32::from(step) * 1.25;
            part.marks.push(Mark::Line(m(&[[x, TOP], [x, TOP + 4.4]]), 0.4, Ink::Dark(0.2)));
        }
        let cord = m(&[[0.4, TOP + 2.5], [1.4, TOP + 8.0], [1.2, TOP + 13.0]]);
        part.marks.push(Mark::Line(cord, 0.8, Ink::Paint([0.92, 0.91, 0.86])));
    } else {
        part.marks.push(Mark::Fill(
            m(&[[7.4, TOP - 0.5], [8.8, TOP - 0.5], [8.8, TOP + 5.0], [7.4, TOP + 5.0]]),
            Ink::Cloth(0.86),
        ));
    }
    if cut.closure == Closure::Belt {
        part.marks.push(Mark::Fill(
            m(&[[-1.0, TOP + 0.7], [18.0, TOP + 0.2], [18.0, TOP + 3.4], [-1.0, TOP + 4.0]]),
            Ink::Paint([0.3, 0.19, 0.13]),
        ));
        if side > 0 {
            part.marks.push(Mark::Line(
                vec![[-0.4, TOP + 0.4], [3.0, TOP + 0.4], [3.0, TOP + 4.2], [-0.4, TOP + 4.2]],
                0.7,
                Ink::Paint([0.85, 0.74, 0.46]),
            ));
        }
    }
    if side > 0 && matches!(cut.closure, Closure::Fly | Closure::Belt) {
        part.seam(vec![[3.6, TOP + 5.0], [3.6, TOP + 15.0], [2.4, TOP + 19.0], [0.2, TOP + 21.5]]);
        if cut.closure == Closure::Fly {
            let metal = if design.surface.pattern == Pattern::Denim { [0.78, 0.6, 0.36] } else { [0.2, 0.18, 0.17] };
            part.marks.push(Mark::Disc([1.4, TOP + 2.4], 1.0, Ink::Paint(metal)));
        }
    }
    part.marks.push(Mark::Line(m(&[[0.0, TOP + 5.0], [0.0, CROTCH - 2.0]]), 0.6, Ink::Dark(0.3)));
    match cut.pockets {
        Pockets::Slant | Pockets::Cargo => {
            let mouth = m(&[[8.6, TOP + 5.0], [11.4, TOP + 12.0], [17.6, TOP + 16.5]]);
            part.marks.push(Mark::Line(mouth.clone(), 0.8, Ink::Dark(0.34)));
            part.marks.push(Mark::Stitch(mouth.iter().map(|p| [p[0] - sign * 1.0, p[1] + 0.8]).collect()));
        }
        _ => {}
    }
    if cut.pockets == Pockets::Cargo {
        let y = if design.kind == Kind::Shorts { 72.0 } else { 84.0 };
        patch(
            &mut part,
            [(middle(y) + half(y) * 0.42) * sign, y],
            5.2,
            if design.kind == Kind::Shorts { 11.0 } else { 15.0 },
            true,
        );
    }
    if !matches!(design.surface.pattern, Pattern::Denim)
        && design.kind == Kind::Trousers
        && cut.closure != Closure::None
    {
        // The pressed crease.
        let crease: Vec<P> = [0.0, 0.35, 0.7, 1.0]
            .iter()
            .map(|k| {
                let y = 62.0 + (hem - 62.0) * k;
                [middle(y.max(CROTCH)) * sign, y]
            })
            .collect();
        part.marks.push(Mark::Line(crease.iter().map(|p| [p[0] + 0.6, p[1]]).collect(), 0.7, Ink::Light(0.09)));
        part.marks.push(Mark::Line(crease, 0.5, Ink::Dark(0.16)));
    }
    let band = if cut.hem == Hem::Cuffed { 5.5 } else { 2.4 };
    if cut.hem == Hem::Cuffed {
        part.marks.push(Mark::Fill(
            m(&[[inn - 2.0, hem - band], [out + 2.0, hem - band], [out + 2.0, hem + 2.0], [inn - 2.0, hem + 2.0]]),
            Ink::Second(1.06),
        ));
        part.marks.push(Mark::Line(m(&[[inn - 2.0, hem - band], [out + 2.0, hem - band]]), 0.9, Ink::Dark(0.36)));
    } else {
        part.seam(m(&[[inn - 2.0, hem - band], [(inn + out) / 2.0, hem - band + 0.6], [out + 2.0, hem - band]]));
    }
    part
}

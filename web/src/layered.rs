//! A layered drawing of a directed graph (Sugiyama, Tagawa and Toda, "Methods for visual understanding of
//! hierarchical system structures", 1981): every edge but those that close a loop goes down.
//!
//! The same graph is drawn in the same way, and a small change changes little: nodes keep their given order
//! where nothing speaks against it. Without recursion, so that no program is too long.

/// Rounds in which nodes are ordered by their neighbours.
const ORDERINGS: usize = 6;
/// Rounds in which nodes move towards their neighbours.
const MOVES: usize = 10;
/// Between two nodes of a layer, and between an edge and what is beside it.
const APART: f32 = 32.0;
const EDGE_APART: f32 = 14.0;
/// Between two layers.
const LAYER_GAP: f32 = 48.0;
/// How far apart the ends of edges of one node are.
const PORT: f32 = 18.0;
/// Edges over more layers than this are not drawn: there are two stubs in their place.
const LONGEST: u32 = 40;

/// What a node takes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Size {
    /// Across.
    pub wide: f32,
    /// Down.
    pub high: f32,
}

/// Where everything goes.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Layered {
    /// The middle of each node, across.
    pub x: Vec<f32>,
    /// Its top.
    pub y: Vec<f32>,
    /// The points that each edge goes through; empty for one that is too long to be drawn.
    pub routes: Vec<Vec<(f32, f32)>>,
    /// Whether the edge closes a loop.
    pub back: Vec<bool>,
    /// The drawing's size.
    pub size: (f32, f32),
}

/// A node of a layer: one of the graph's, or a piece of an edge that passes.
struct Item {
    wide: f32,
    layer: usize,
    above: Vec<usize>,
    below: Vec<usize>,
    real: bool,
    x: f32,
}

/// Places a graph. Edges are pairs of nodes; those to or from no node are left out.
pub fn place(sizes: &[Size], edges: &[(u32, u32)]) -> Layered {
    let n = sizes.len();
    let known = |edge: &(u32, u32)| (edge.0 as usize) < n && (edge.1 as usize) < n;
    let (order, back) = walk(n, edges);
    let ranks = ranks(n, edges, &order, &back);
    let mut items: Vec<Item> = (0..n)
        .map(|node| Item {
            wide: sizes[node].wide,
            layer: ranks[node] as usize,
            above: Vec::new(),
            below: Vec::new(),
            real: true,
            x: 0.0,
        })
        .collect();
    let mut chains: Vec<Vec<usize>> = Vec::with_capacity(edges.len());
    for (number, edge) in edges.iter().enumerate() {
        chains.push(match known(edge) {
            true => chain(&mut items, edge, back[number], &ranks),
            false => Vec::new(),
        });
    }
    let depth = ranks.iter().copied().max().map_or(0, |rank| rank as usize + 1);
    let mut layers: Vec<Vec<usize>> = vec![Vec::new(); depth];
    // The first order: as the walk came to the nodes, what passes right behind the node that it comes from.
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); n];
    for (edge, chain) in edges.iter().zip(&chains).filter(|(_, chain)| !chain.is_empty()) {
        after[edge.0 as usize].extend(chain);
    }
    for &node in &order {
        layers[items[node].layer].push(node);
        for &piece in &after[node] {
            layers[items[piece].layer].push(piece);
        }
    }
    arrange(&mut items, &mut layers);
    spread(&mut items, &layers);
    finish(sizes, edges, &items, &layers, &chains, back)
}

/// The nodes in reverse postorder of a walk that takes edges as given, and which edges close a loop.
fn walk(n: usize, edges: &[(u32, u32)]) -> (Vec<usize>, Vec<bool>) {
    let mut out: Vec<Vec<usize>> = vec![Vec::new(); n];
    for (number, (from, to)) in edges.iter().enumerate() {
        if (*to as usize) < n
            && let Some(list) = out.get_mut(*from as usize)
        {
            list.push(number);
        }
    }
    let mut back = vec![false; edges.len()];
    // 0: not seen, 1: on the stack, 2: done.
    let mut mark = vec![0_u8; n];
    let mut order = Vec::with_capacity(n);
    let mut stack: Vec<(usize, usize)> = Vec::new();
    let mut roots = Vec::new();
    for root in 0..n {
        if mark[root] != 0 {
            continue;
        }
        let mut own = Vec::new();
        mark[root] = 1;
        stack.push((root, 0));
        while let Some((node, next)) = stack.last_mut() {
            // Backwards, so that the first edge's target stands first in the reverse of the postorder.
            let Some(&edge) = out[*node].iter().rev().nth(*next) else {
                mark[*node] = 2;
                own.push(*node);
                stack.pop();
                continue;
            };
            *next += 1;
            let to = edges[edge].1 as usize;
            match mark[to] {
                0 => {
                    mark[to] = 1;
                    stack.push((to, 0));
                }
                1 => back[edge] = true,
                _ => {}
            }
        }
        own.reverse();
        roots.push(own);
    }
    roots.into_iter().for_each(|own| order.extend(own));
    (order, back)
}

/// The longest way to each node, in edges.
fn ranks(n: usize, edges: &[(u32, u32)], order: &[usize], back: &[bool]) -> Vec<u32> {
    let mut out: Vec<Vec<usize>> = vec![Vec::new(); n];
    for (number, (from, to)) in edges.iter().enumerate() {
        if !back[number]
            && (*to as usize) < n
            && let Some(list) = out.get_mut(*from as usize)
        {
            list.push(*to as usize);
        }
    }
    // A node may be reached from a later root too: until nothing changes, which for one root is at once.
    let mut ranks = vec![0_u32; n];
    loop {
        let mut changed = false;
        for &node in order {
            for &to in &out[node] {
                if ranks[to] <= ranks[node] {
                    ranks[to] = ranks[node] + 1;
                    changed = true;
                }
            }
        }
        if !changed {
            return ranks;
        }
    }
}

/// The pieces of an edge in the layers that it passes, from its beginning on.
fn chain(items: &mut Vec<Item>, edge: &(u32, u32), back: bool, ranks: &[u32]) -> Vec<usize> {
    let (from, to) = (edge.0 as usize, edge.1 as usize);
    let (a, b) = (ranks[from], ranks[to]);
    if a.abs_diff(b) > LONGEST {
        return Vec::new();
    }
    // A loop's edge goes beside its two ends too: from a bottom up to a top.
    let passed: Vec<u32> = if back { (b..=a).rev().collect() } else { (a + 1..b).collect() };
    let first = items.len();
    for rank in passed {
        items.push(Item {
            wide: 0.0,
            layer: rank as usize,
            above: Vec::new(),
            below: Vec::new(),
            real: false,
            x: 0.0,
        });
    }
    let pieces: Vec<usize> = (first..items.len()).collect();
    let mut link = |upper: usize, lower: usize| {
        items[upper].below.push(lower);
        items[lower].above.push(upper);
    };
    if back {
        pieces.windows(2).for_each(|pair| link(pair[1], pair[0]));
    } else {
        let mut at = from;
        for piece in pieces.iter().copied().chain([to]) {
            link(at, piece);
            at = piece;
        }
    }
    pieces
}

/// Orders the layers so that few edges cross.
fn arrange(items: &mut [Item], layers: &mut [Vec<usize>]) {
    let mut place = vec![0_usize; items.len()];
    let note = |layers: &[Vec<usize>], place: &mut [usize]| {
        for layer in layers {
            layer.iter().enumerate().for_each(|(at, item)| place[*item] = at);
        }
    };
    note(layers, &mut place);
    let (mut best, mut least) = (layers.to_vec(), crossings(items, layers, &place));
    for round in 0..ORDERINGS {
        if least == 0 {
            break;
        }
        let down = round % 2 == 0;
        for at in 0..layers.len() {
            let at = if down { at } else { layers.len() - 1 - at };
            let middle = |item: usize| {
                let near = if down { &items[item].above } else { &items[item].below };
                match near.len() {
                    0 => place[item] as f32,
                    count => near.iter().map(|n| place[*n] as f32).sum::<f32>() / count as f32,
                }
            };
            let mut keyed: Vec<(f32, usize)> = layers[at].iter().map(|item| (middle(*item), *item)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            layers[at] = keyed.into_iter().map(|(_, item)| item).collect();
            layers[at].iter().enumerate().for_each(|(at, item)| place[*item] = at);
        }
        let now = crossings(items, layers, &place);
        if now < least {
            (best, least) = (layers.to_vec(), now);
        }
    }
    layers.clone_from_slice(&best);
}

/// How many pairs of edges between neighbouring layers cross.
fn crossings(items: &[Item], layers: &[Vec<usize>], place: &[usize]) -> u64 {
    let mut count = 0;
    for layer in layers {
        let mut ends: Vec<usize> = Vec::new();
        for item in layer {
            let mut own: Vec<usize> = items[*item].below.iter().map(|to| place[*to]).collect();
            own.sort_unstable();
            ends.extend(own);
        }
        count += inversions(&ends);
    }
    count
}

/// Pairs of which the later one is smaller.
fn inversions(numbers: &[usize]) -> u64 {
    let mut sums = vec![0_u64; numbers.iter().max().map_or(1, |most| most + 2)];
    let mut count = 0;
    for (before, &number) in numbers.iter().enumerate() {
        let (mut at, mut smaller) = (number + 1, 0);
        while at > 0 {
            smaller += sums[at];
            at &= at - 1;
        }
        count += before as u64 - smaller;
        let mut at = number + 1;
        while at < sums.len() {
            sums[at] += 1;
            at += at & at.wrapping_neg();
        }
    }
    count
}

/// Moves every item towards its neighbours, as far as the order allows.
fn spread(items: &mut [Item], layers: &[Vec<usize>]) {
    for layer in layers {
        let mut at = 0.0;
        for pair in 0..layer.len() {
            if pair > 0 {
                at += distance(&items[layer[pair - 1]], &items[layer[pair]]);
            }
            items[layer[pair]].x = at;
        }
    }
    for round in 0..MOVES {
        let down = round % 2 == 0;
        for at in 0..layers.len() {
            let layer = &layers[if down { at } else { layers.len() - 1 - at }];
            let wish = |item: &usize| {
                let item = &items[*item];
                // The last rounds look both ways.
                let near: Vec<usize> = match () {
                    () if round + 4 >= MOVES => item.above.iter().chain(&item.below).copied().collect(),
                    () if down => item.above.clone(),
                    () => item.below.clone(),
                };
                if near.is_empty() {
                    return (item.x, 0.05);
                }
                // Pieces of one edge want to be straight.
                let weight = |other: usize| if item.real || items[other].real { 1.0 } else { 6.0 };
                let all: f32 = near.iter().map(|n| weight(*n)).sum();
                (near.iter().map(|n| items[*n].x * weight(*n)).sum::<f32>() / all, all)
            };
            let wishes: Vec<(f32, f32)> = layer.iter().map(wish).collect();
            let found = fit(items, layer, &wishes);
            layer.iter().zip(found).for_each(|(item, x)| items[*item].x = x);
        }
    }
    let left = |item: &Item| item.x - item.wide / 2.0;
    let least = items.iter().map(left).fold(f32::INFINITY, f32::min);
    items.iter_mut().for_each(|item| item.x -= least);
}

/// How far apart the middles of two neighbours are at least.
fn distance(a: &Item, b: &Item) -> f32 {
    (a.wide + b.wide) / 2.0 + if a.real && b.real { APART } else { EDGE_APART }
}

/// The places nearest to what is wished, in order and apart: pools of neighbours that push each other move as
/// one (pool adjacent violators, the least sum of weighted squares).
fn fit(items: &[Item], layer: &[usize], wishes: &[(f32, f32)]) -> Vec<f32> {
    // How far right each is of the first where all stand as close as can be.
    let mut offsets = Vec::with_capacity(layer.len());
    let mut at = 0.0;
    for (number, item) in layer.iter().enumerate() {
        if number > 0 {
            at += distance(&items[layer[number - 1]], &items[*item]);
        }
        offsets.push(at);
    }
    // (weighted sum, weight, how many)
    let mut pools: Vec<(f32, f32, usize)> = Vec::new();
    for ((wish, weight), offset) in wishes.iter().zip(&offsets) {
        pools.push(((wish - offset) * weight, *weight, 1));
        while let [.., a, b] = pools.as_slice()
            && a.0 / a.1 > b.0 / b.1
        {
            let joined = (a.0 + b.0, a.1 + b.1, a.2 + b.2);
            pools.truncate(pools.len() - 2);
            pools.push(joined);
        }
    }
    let bases = pools.into_iter().flat_map(|(sum, weight, count)| std::iter::repeat_n(sum / weight, count));
    bases.zip(offsets).map(|(base, offset)| base + offset).collect()
}

fn finish(
    sizes: &[Size],
    edges: &[(u32, u32)],
    items: &[Item],
    layers: &[Vec<usize>],
    chains: &[Vec<usize>],
    back: Vec<bool>,
) -> Layered {
    let n = sizes.len();
    let mut top = Vec::with_capacity(layers.len());
    let mut bottom = Vec::with_capacity(layers.len());
    let mut at = 0.0;
    for layer in layers {
        let high = layer.iter().filter(|item| **item < n).map(|item| sizes[*item].high).fold(0.0, f32::max);
        top.push(at);
        bottom.push(at + high);
        at += high + LAYER_GAP;
    }
    let x: Vec<f32> = items[..n].iter().map(|item| item.x).collect();
    let y: Vec<f32> = items[..n].iter().map(|item| top[item.layer]).collect();
    let ports = ports(n, edges, items, chains);
    let route = |number: usize| {
        let (from, to) = (edges[number].0 as usize, edges[number].1 as usize);
        let chain = &chains[number];
        let drawn = from < n && to < n && (!chain.is_empty() || items[to].layer == items[from].layer + 1);
        if !drawn {
            return Vec::new();
        }
        let mut points = vec![(x[from] + ports[number].0, y[from] + sizes[from].high)];
        for piece in chain {
            let (above, below) = (top[items[*piece].layer], bottom[items[*piece].layer]);
            let (first, last) = if back[number] { (below, above) } else { (above, below) };
            points.push((items[*piece].x, first));
            points.push((items[*piece].x, last));
        }
        points.push((x[to] + ports[number].1, y[to]));
        points
    };
    let routes: Vec<Vec<(f32, f32)>> = (0..edges.len()).map(route).collect();
    let right = items.iter().map(|item| item.x + item.wide / 2.0).fold(0.0, f32::max);
    Layered { x, y, routes, back, size: (right, bottom.last().copied().unwrap_or(0.0)) }
}

/// Where each edge leaves and enters, from the middles of its nodes: in the order of what is at its other end.
fn ports(n: usize, edges: &[(u32, u32)], items: &[Item], chains: &[Vec<usize>]) -> Vec<(f32, f32)> {
    let mut out: Vec<Vec<(f32, usize)>> = vec![Vec::new(); n];
    let mut into: Vec<Vec<(f32, usize)>> = vec![Vec::new(); n];
    for (number, (from, to)) in edges.iter().enumerate() {
        let (from, to) = (*from as usize, *to as usize);
        if from >= n || to >= n {
            continue;
        }
        let chain = &chains[number];
        out[from].push((items[chain.first().copied().unwrap_or(to)].x, number));
        into[to].push((items[chain.last().copied().unwrap_or(from)].x, number));
    }
    let mut ports = vec![(0.0, 0.0); edges.len()];
    let mut spread = |lists: Vec<Vec<(f32, usize)>>, enters: bool| {
        for (node, mut list) in lists.into_iter().enumerate() {
            list.sort_by(|a, b| a.0.total_cmp(&b.0));
            let between = PORT.min((items[node].wide - 16.0).max(0.0) / list.len().max(1) as f32);
            let middle = (list.len().max(1) - 1) as f32 / 2.0;
            for (at, (_, number)) in list.into_iter().enumerate() {
                let offset = (at as f32 - middle) * between;
                if enters {
                    ports[number].1 = offset;
                } else {
                    ports[number].0 = offset;
                }
            }
        }
    };
    spread(out, false);
    spread(into, true);
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { wide: 100.0, high: 40.0 };

    fn check(n: usize, edges: &[(u32, u32)]) -> Layered {
        let placed = place(&vec![SIZE; n], edges);
        for a in 0..n {
            for b in 0..a {
                let beside = (placed.x[a] - placed.x[b]).abs() + 0.01 >= SIZE.wide + APART;
                assert!(placed.y[a] != placed.y[b] || beside, "{a} and {b} overlap: {placed:?}");
            }
        }
        for (number, (from, to)) in edges.iter().enumerate() {
            let down = placed.y[*from as usize] < placed.y[*to as usize];
            assert!(down || placed.back[number], "edge {from} to {to}");
            let Some((end, points)) = placed.routes[number].split_last() else { continue };
            assert_eq!(end.1, placed.y[*to as usize]);
            assert_eq!(points[0].1, placed.y[*from as usize] + SIZE.high);
        }
        placed
    }

    #[test]
    fn a_diamond() {
        let placed = check(4, &[(0, 1), (0, 2), (1, 3), (2, 3)]);
        assert_eq!(placed.y, [0.0, 88.0, 88.0, 176.0]);
        assert!(placed.x[1] < placed.x[2], "the first way stands left");
        assert!((placed.x[0] - placed.x[3]).abs() < 1.0, "{:?}", placed.x);
    }

    #[test]
    fn a_loop_goes_round() {
        let placed = check(3, &[(0, 1), (1, 1), (1, 2), (2, 0)]);
        assert_eq!(placed.back, [false, true, false, true]);
        assert!(placed.routes[3].iter().all(|(x, _)| x.is_finite()));
        assert_eq!(placed.routes[3].len(), 2 + 2 * 3);
    }

    #[test]
    fn a_chain_with_early_exits_is_drawn() {
        // Every block may leave for the last one, as programs do.
        let n = 200;
        let edges: Vec<(u32, u32)> = (0..n - 1).flat_map(|at| [(at, at + 1), (at, n - 1)]).collect();
        let placed = check(n as usize, &edges);
        let stubs = placed.routes.iter().filter(|route| route.is_empty()).count();
        assert!(stubs > 100 && stubs < 200, "{stubs}");
    }

    #[test]
    fn small_changes_change_little() {
        let edges = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (3, 5), (4, 6), (5, 6)];
        let before = check(7, &edges);
        let wider: Vec<Size> =
            (0..7).map(|at| if at == 4 { Size { wide: 140.0, ..SIZE } } else { SIZE }).collect();
        let after = place(&wider, &edges);
        for node in 0..7 {
            assert!((before.x[node] - after.x[node]).abs() < 60.0);
            assert_eq!(before.y[node], after.y[node]);
        }
        assert!(after.x[4] < after.x[5]);
    }

    #[test]
    fn crossings_are_counted() {
        assert_eq!(inversions(&[0, 1, 2]), 0);
        assert_eq!(inversions(&[2, 1, 0]), 3);
        assert_eq!(inversions(&[1, 1, 0]), 2);
    }

    #[test]
    fn many_nodes_are_placed() {
        let n = 2_000;
        let edges: Vec<(u32, u32)> =
            (0..n - 1).flat_map(|at| [(at, at + 1), (at, (at + 7).min(n - 1))]).collect();
        let placed = place(&vec![SIZE; n as usize], &edges);
        assert!(placed.x.iter().chain(&placed.y).all(|at| at.is_finite()));
    }
}
